import type { Namespace } from '../../protocol/generated/models.ts';
import type { KindDefinition } from '../../protocol/kinds/define-kind.ts';
import { namespaceKind } from '../../protocol/kinds/namespace.ts';
import { storedMeta } from '../../protocol/kinds/stored-object.ts';
import type { Registry } from '../registry/registry.ts';
import { defineController } from './define-controller.ts';
import { ignoreGone } from './ignore-gone.ts';

const finalizer = 'kubernetes';
/** Pods need their grace; the next look is then. */
const contentLeftRetryMs = 500;
const pageSize = 500;

/** Empties a namespace that is being deleted, then lets it go. */
export const namespaceController = defineController({
  name: 'namespace',
  workers: 2,
  setup({ registry, cache, kinds }, enqueue) {
    const namespaces = cache.informer(namespaceKind);
    namespaces.onChange(({ object }) => {
      if (object.metadata?.deletionTimestamp !== undefined) enqueue(storedMeta(object).name);
    });
    const namespaced = kinds.filter((kind) => kind.namespaced);
    return async (name) => {
      const namespace = namespaces.get(undefined, name);
      if (!namespace || !isWaiting(namespace)) return;
      let left = 0;
      for (const kind of namespaced) left += await emptyOf(registry, kind, name);
      if (left > 0) return { requeueAfterMs: contentLeftRetryMs };
      await release(registry, name);
    };
  },
});

function isWaiting(namespace: Readonly<Namespace>): boolean {
  return (
    namespace.metadata?.deletionTimestamp !== undefined &&
    (namespace.spec?.finalizers ?? []).includes(finalizer)
  );
}

/** Asks for the deletion of every object of `kind`; returns how many are still there. */
async function emptyOf(registry: Registry, kind: KindDefinition, namespace: string): Promise<number> {
  const { items } = await registry.list(kind, { namespace, limit: pageSize });
  for (const item of items) {
    const { name, uid, deletionTimestamp } = storedMeta(item);
    if (deletionTimestamp !== undefined) continue;
    await registry.delete(kind, { namespace, name }, { preconditions: { uid } }).catch(ignoreGone);
  }
  return (await registry.list(kind, { namespace, limit: 1 })).items.length;
}

async function release(registry: Registry, name: string): Promise<void> {
  await registry
    .mutate(
      namespaceKind,
      { name },
      (draft) => {
        draft.spec = {
          ...draft.spec,
          finalizers: (draft.spec?.finalizers ?? []).filter((entry) => entry !== finalizer),
        };
      },
      { subresource: 'finalize' },
    )
    .catch(ignoreGone);
}
