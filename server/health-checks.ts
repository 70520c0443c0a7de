import { namespaceKind } from '../protocol/kinds/namespace.ts';
import type { HealthCheck } from './api/health.ts';
import type { EmbeddedBroker } from './bus/embedded-broker.ts';
import type { Registry } from './registry/registry.ts';

/** Named as Kubernetes names them, where it has such a one. */
export function healthChecks({
  registry,
  bus,
  working,
}: {
  registry: Registry;
  bus: EmbeddedBroker;
  working: { informers: boolean };
}): HealthCheck[] {
  return [
    { name: 'store', check: async () => void (await registry.get(namespaceKind, { name: 'default' })) },
    {
      name: 'bus',
      check() {
        if (!bus.listening) throw new Error('the broker does not listen');
      },
    },
    {
      name: 'informer-sync',
      scope: 'ready',
      check() {
        if (!working.informers) throw new Error('the informers do not hold their first lists yet');
      },
    },
  ];
}
