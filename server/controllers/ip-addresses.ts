import type { IPAddress, Service } from '../../protocol/generated/models.ts';
import { parseIp } from '../../protocol/ip-address.ts';
import { sameValue } from '../../protocol/kinds/cause.ts';
import { ipAddressKind } from '../../protocol/kinds/ip-address.ts';
import { serviceKind } from '../../protocol/kinds/service.ts';
import { heldBy } from '../../protocol/kinds/service-fields.ts';
import { storedMeta } from '../../protocol/kinds/stored-object.ts';
import { isStatus } from '../../protocol/status.ts';
import { defineController } from './define-controller.ts';
import { ignoreGone } from './expected-failures.ts';

const byAddress = 'cluster-ip';
const managedBy = { label: 'ipaddress.kubernetes.io/managed-by', name: 'ipallocator.k8s.io' };

/**
 * Shows the services' addresses as IPAddress objects. They tell who holds what and give out nothing: removing one frees
 * no address.
 */
export const ipAddressController = defineController({
  name: 'ipaddress',
  workers: 2,
  setup({ registry, cache, follow }, enqueue) {
    const services = cache.informer(serviceKind);
    const addresses = cache.informer(ipAddressKind);
    services.addIndex(byAddress, (service) => heldBy(service).addresses);
    follow(services, (change) => {
      const known = change.type === 'updated' ? [change.old, change.object] : [change.object];
      for (const address of new Set(known.flatMap((service) => heldBy(service).addresses))) {
        if (change.type !== 'updated' || !isSameHolder(change.old, change.object)) enqueue(address);
      }
    });
    follow(addresses, ({ object }) => enqueue(storedMeta(object).name));
    return async (name) => {
      const [holder] = services.byIndex(byAddress, name);
      const current = addresses.get(undefined, name);
      const wanted = holder && addressOf(name, holder);
      if (current && !sameValue(current.spec, wanted?.spec)) {
        if (!wanted && current.metadata?.labels?.[managedBy.label] !== managedBy.name) return;
        const preconditions = { uid: storedMeta(current).uid };
        await registry.delete(ipAddressKind, { name }, { preconditions }).catch(ignoreGone);
      } else if (!current && wanted) {
        await registry.create(ipAddressKind, wanted).catch((error: unknown) => {
          if (!isStatus(error, 'AlreadyExists')) throw error;
        });
      }
    };
  },
});

function isSameHolder(a: Readonly<Service>, b: Readonly<Service>): boolean {
  return sameValue(heldBy(a).addresses, heldBy(b).addresses);
}

function addressOf(name: string, { metadata }: Readonly<Service>): IPAddress {
  const family = parseIp(name)?.family === 6 ? 'IPv6' : 'IPv4';
  return {
    metadata: {
      name,
      labels: { 'ipaddress.kubernetes.io/ip-family': family, [managedBy.label]: managedBy.name },
    },
    spec: {
      parentRef: {
        group: '',
        resource: 'services',
        namespace: metadata?.namespace ?? '',
        name: metadata?.name ?? '',
      },
    },
  };
}
