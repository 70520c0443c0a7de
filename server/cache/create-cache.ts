import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import {
  apiVersionOf,
  type KindDefinition,
  type KubernetesObject,
} from '../../protocol/kinds/define-kind.ts';
import type { Registry } from '../registry/registry.ts';
import type { Cache, Informer } from './informer.ts';
import { LiveInformer } from './live-informer.ts';

export interface CacheOptions {
  registry: Registry;
  clock: Clock;
  log: Logger;
}

/** One shared informer a kind, started when first asked for; disposing stops them all. */
export function createCache({ registry, clock, log }: CacheOptions): Cache {
  const abort = new AbortController();
  const informers = new Map<string, { informer: LiveInformer<KubernetesObject>; ended: Promise<void> }>();

  return {
    informer<T extends KubernetesObject>(kind: KindDefinition<T>): Informer<T> {
      const place = `${apiVersionOf(kind)}/${kind.plural}`;
      const known = informers.get(place);
      if (known) return known.informer as unknown as Informer<T>;
      const informer = new LiveInformer({ kind, registry, clock, log, signal: abort.signal });
      informers.set(place, {
        informer: informer as unknown as LiveInformer<KubernetesObject>,
        ended: informer.run(),
      });
      return informer;
    },
    async synced() {
      await Promise.all([...informers.values()].map(({ informer }) => informer.synced));
    },
    async [Symbol.asyncDispose]() {
      abort.abort();
      await Promise.all([...informers.values()].map(({ ended }) => ended));
    },
  };
}
