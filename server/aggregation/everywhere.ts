import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { KindDefinition } from '../../protocol/kinds/define-kind.ts';
import type { KindSet } from '../../protocol/kinds/kind-set.ts';
import { createCache } from '../cache/create-cache.ts';
import type { Cache } from '../cache/informer.ts';
import type { Registry } from '../registry/registry.ts';
import type { AggregatedApis, AskingUser } from './aggregated-apis.ts';
import { RemoteKinds } from './remote-kinds.ts';
import { createRemoteRegistry } from './remote-registry.ts';

/** The objects of this server and of those behind APIServices, by the same means. */
export interface Everywhere extends AsyncDisposable {
  registry: Registry;
  cache: Cache;
  kinds: KindSet;
  /** Group versions of servers that do not answer now, and so may keep anything. */
  silent(): readonly string[];
}

/** As whom the server deletes what nobody owns any more. */
const collector: AskingUser = { name: 'system:kube-controller-manager', groups: ['system:masters'] };

/** Nobody waits for other servers: whoever asks them hears that they are away. */
export function createEverywhere(
  local: { registry: Registry; cache: Cache; kinds: KindSet },
  apis: AggregatedApis,
  { clock, log }: { clock: Clock; log: Logger },
): Everywhere {
  const remoteKinds = new RemoteKinds(apis);
  const known = new Set<KindDefinition>(remoteKinds);
  const following = remoteKinds.onChange(({ added }) => added.forEach((kind) => known.add(kind)));
  const remote = createRemoteRegistry(apis, collector);
  const remoteCache = createCache({
    registry: remote,
    clock,
    log: quiet(log.child({ of: 'other servers' })),
  });
  const cacheReleased = remoteKinds.onChange(({ removed }) =>
    removed.forEach((kind) => remoteCache.release(kind)),
  );
  const registryOf = (kind: KindDefinition): Pick<Registry, keyof typeof remote> =>
    known.has(kind) ? remote : local.registry;
  const registry = Object.create(local.registry) as Registry;
  Object.assign(registry, {
    get: (kind, at) => registryOf(kind).get(kind, at),
    list: (kind, request) => registryOf(kind).list(kind, request),
    watch: (kind, request) => registryOf(kind).watch(kind, request),
    mutate: (kind, at, change, options) => registryOf(kind).mutate(kind, at, change, options),
    delete: (kind, at, request) => registryOf(kind).delete(kind, at, request),
  } satisfies Partial<Registry>);
  return {
    registry,
    cache: {
      informer: (kind) => (known.has(kind) ? remoteCache : local.cache).informer(kind),
      release: (kind) => local.cache.release(kind),
      synced: () => local.cache.synced(),
      [Symbol.asyncDispose]: () => remoteCache[Symbol.asyncDispose](),
    },
    kinds: {
      *[Symbol.iterator]() {
        yield* local.kinds;
        yield* remoteKinds;
      },
      onChange(handler) {
        const both = new DisposableStack();
        both.use(local.kinds.onChange(handler));
        both.use(remoteKinds.onChange(handler));
        return both;
      },
    },
    silent: () =>
      apis
        .list()
        .filter(({ available }) => !available)
        .map(({ group, version }) => `${group}/${version}`),
    async [Symbol.asyncDispose]() {
      following[Symbol.dispose]();
      cacheReleased[Symbol.dispose]();
      remoteKinds[Symbol.dispose]();
      await remoteCache[Symbol.asyncDispose]();
    },
  };
}

/** That a server is away is said by its APIService; every try to follow it is for who looks closely. */
function quiet(log: Logger): Logger {
  return { ...log, warn: (message, fields) => log.debug(message, fields) };
}
