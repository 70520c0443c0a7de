import type { Registry } from '../../../server/registry/registry.ts';

/** The registry as one life of the control plane sees it: once killed, nothing that life still tries gets through. */
export function mortalRegistry(registry: Registry): { registry: Registry; kill: () => void } {
  let dead = false;
  const alive = <R>(act: () => R): R => {
    if (dead) throw new Error('this control plane was killed');
    return act();
  };
  const later = async <R>(act: () => Promise<R>): Promise<R> => {
    const answer = await alive(act);
    return alive(() => answer);
  };
  return {
    kill: () => {
      dead = true;
    },
    registry: {
      get: (...given) => later(() => registry.get(...given)),
      list: (...given) => later(() => registry.list(...given)),
      watch: (...given) => alive(() => registry.watch(...given)),
      create: (...given) => later(() => registry.create(...given)),
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
