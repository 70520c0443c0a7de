import type { KindDefinition, KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import { isStatus } from '../../../protocol/status.ts';
import type { Registry } from '../../registry/registry.ts';

/**
 * Looks at what a user is about to write, and throws a StatusError if they may not write just that. It must be free
 * of side effects, since a write that lost a race is tried, and so looked at, again. `old` is absent for a new
 * object, `next` for a deletion.
 */
export type WriteCheck = (change: Change) => void;

export interface Change {
  kind: KindDefinition;
  next?: Readonly<KubernetesObject>;
  old?: Readonly<KubernetesObject>;
  subresource: string;
}

/** An update that names no resourceVersion and loses against other writers is tried this often. */
const attemptsMax = 8;

/**
 * A registry that lets `check` see every write of one request, so that no verb, patch type or subresource can
 * forget it. What is written is what was checked: an update is pinned to the version that it was compared with.
 */
export function checkedRegistry(registry: Registry, check: WriteCheck): Registry {
  return {
    get: (kind, at) => registry.get(kind, at),
    list: (kind, request) => registry.list(kind, request),
    watch: (kind, request) => registry.watch(kind, request),
    bind: (at, podUid, node) => registry.bind(at, podUid, node),
    unbind: (at, veto) => registry.unbind(at, veto),
    get resourceVersion() {
      return registry.resourceVersion;
    },
    epoch: registry.epoch,
    create: async (kind, object, options) => {
      check({ kind, next: object, subresource: options?.subresource ?? '' });
      return registry.create(kind, object, options);
    },
    update: async (kind, object, options) => {
      const { name = '', namespace, resourceVersion } = object.metadata ?? {};
      for (let attempt = 1; ; attempt++) {
        const old = await registry.get(kind, { name, ...(namespace ? { namespace } : {}) });
        check({ kind, next: object, old, subresource: options?.subresource ?? '' });
        try {
          return await registry.update(kind, pinned(object, resourceVersion || versionOf(old)), options);
        } catch (error) {
          if (resourceVersion || attempt === attemptsMax || !isStatus(error, 'Conflict')) throw error;
        }
      }
    },
    mutate: (kind, at, change, options) =>
      registry.mutate(
        kind,
        at,
        (draft) => {
          const old = structuredClone(draft);
          change(draft);
          check({ kind, next: draft, old, subresource: options?.subresource ?? '' });
        },
        options,
      ),
    delete: async (kind, at, request = {}) => {
      const old = await registry.get(kind, at);
      check({ kind, old, subresource: '' });
      const uid = old.metadata?.uid;
      const preconditions = { ...(uid === undefined ? {} : { uid }), ...request.preconditions };
      return registry.delete(kind, at, { ...request, preconditions });
    },
  };
}

function versionOf({ metadata }: KubernetesObject): string {
  return metadata?.resourceVersion ?? '';
}

function pinned<T extends KubernetesObject>(object: T, resourceVersion: string): T {
  return { ...object, metadata: { ...object.metadata, resourceVersion } };
}
