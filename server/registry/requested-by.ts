import type { Registry, Requested } from './registry.ts';

/** The same registry, for one client: every write through it says who asked, so that no caller can forget to. */
export function requestedBy(registry: Registry, requested: Requested): Registry {
  return {
    get: (kind, at) => registry.get(kind, at),
    list: (kind, request) => registry.list(kind, request),
    listEncoded: (kind, request, shape) => registry.listEncoded(kind, request, shape),
    watch: (kind, request) => registry.watch(kind, request),
    create: (kind, object, options) => registry.create(kind, object, { ...options, ...requested }),
    update: (kind, object, options) => registry.update(kind, object, { ...options, ...requested }),
    mutate: (kind, at, change, options) => registry.mutate(kind, at, change, { ...options, ...requested }),
    delete: (kind, at, request) => registry.delete(kind, at, { ...request, ...requested }),
    bind: (at, podUid, node, options) => registry.bind(at, podUid, node, { ...options, ...requested }),
    unbind: (at, veto) => registry.unbind(at, veto),
    get resourceVersion() {
      return registry.resourceVersion;
    },
    epoch: registry.epoch,
  };
}
