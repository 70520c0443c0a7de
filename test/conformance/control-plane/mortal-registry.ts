import { type Clock, sleep } from '../../../lib/clock.ts';
import type { Random } from '../../../lib/random.ts';
import type { KindDefinition, KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import type { Registry, WatchChange, WatchRequest } from '../../../server/registry/registry.ts';

/** Watches lag by up to this, each kind on its own, so that caches disagree with the store and with each other. */
const lagMsMax = 40;

export interface MortalOptions {
  clock: Clock;
  random: Random;
  refusesCreate: (kind: string) => Error | undefined;
}

/**
 * The registry as one life of the control plane sees it: what it watches comes late, and once it is killed nothing that
 * it still tries gets through.
 */
export function mortalRegistry(
  registry: Registry,
  { clock, random, refusesCreate }: MortalOptions,
): { registry: Registry; kill: () => void } {
  let dead = false;
  const alive = <R>(act: () => R): R => {
    if (dead) throw new Error('this control plane was killed');
    return act();
  };
  const later = async <R>(act: () => Promise<R>): Promise<R> => {
    const answer = await alive(act);
    return alive(() => answer);
  };
  async function* late<T extends KubernetesObject>(
    kind: KindDefinition<T>,
    request: WatchRequest,
  ): AsyncGenerator<WatchChange<T>> {
    for await (const change of registry.watch(kind, request)) {
      if (random.fraction() < 0.25) await sleep(clock, random.fraction() * lagMsMax, request.signal);
      yield change;
    }
  }
  return {
    kill: () => {
      dead = true;
    },
    registry: {
      get: (...given) => later(() => registry.get(...given)),
      list: (...given) => later(() => registry.list(...given)),
      listEncoded: (...given) => later(() => registry.listEncoded(...given)),
      watch: (...given) => alive(() => late(...given)),
      create: (kind, ...given) =>
        later(() => {
          const refusal = refusesCreate(kind.kind);
          return refusal ? Promise.reject(refusal) : registry.create(kind, ...given);
        }),
      update: (...given) => later(() => registry.update(...given)),
      mutate: (...given) => later(() => registry.mutate(...given)),
      delete: (...given) => later(() => registry.delete(...given)),
      bind: (...given) => later(() => registry.bind(...given)),
      unbind: (...given) => later(() => registry.unbind(...given)),
      get resourceVersion() {
        return registry.resourceVersion;
      },
      epoch: registry.epoch,
    },
  };
}
