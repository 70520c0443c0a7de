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
  registry: Pick<Registry, 'list' | 'watch'>;
  clock: Clock;
  log: Logger;
}

interface Running {
  informer: LiveInformer<KubernetesObject>;
  ended: Promise<void>;
  stop: AbortController;
}

/** One shared informer a kind, started when first asked for; disposing stops them all. */
export function createCache({ registry, clock, log }: CacheOptions): Cache {
  const abort = new AbortController();
  const informers = new Map<string, Running>();

  return {
    informer<T extends KubernetesObject>(kind: KindDefinition<T>): Informer<T> {
      const place = `${apiVersionOf(kind)}/${kind.plural}`;
      const known = informers.get(place);
      if (known) return known.informer as unknown as Informer<T>;
      const stop = new AbortController();
      const signal = AbortSignal.any([abort.signal, stop.signal]);
      const informer = new LiveInformer({ kind, registry, clock, log, signal });
      informers.set(place, {
        informer: informer as unknown as LiveInformer<KubernetesObject>,
        ended: informer.run(),
        stop,
      });
      return informer;
    },
    release({ group, plural }) {
      for (const [place, { informer, stop }] of informers) {
        if (informer.kind.group !== group || informer.kind.plural !== plural) continue;
        stop.abort();
        informers.delete(place);
      }
    },
    async synced() {
      const waiting = [...informers.values()].map(({ informer, stop }) =>
        informer.synced.catch((error: unknown) => {
          if (!stop.signal.aborted) throw error;
        }),
      );
      await Promise.all(waiting);
    },
    async [Symbol.asyncDispose]() {
      abort.abort();
      await Promise.all([...informers.values()].map(({ ended }) => ended));
    },
  };
}
