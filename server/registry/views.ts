import type { KindDefinition, KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import { plainCopy, viewOf } from './codec.ts';
import { invalid } from './failures.ts';
import type { Registry } from './registry.ts';

/**
 * The same registry, for kinds that are views too: what is written through a view is written as the stored kind and
 * read back as the view. Reads need nothing here; decoding an entry as a view's kind gives the view.
 */
export function throughViews(registry: Registry): Registry {
  return {
    ...registry,
    get resourceVersion() {
      return registry.resourceVersion;
    },
    async create(kind, object, options) {
      if (!kind.view) return registry.create(kind, object, options);
      const own = plainCopy(object);
      const causes = kind.validate?.(own) ?? [];
      if (causes.length > 0) throw invalid(kind, own.metadata?.name ?? '', causes);
      return viewOf(
        kind,
        await registry.create(kind.view.of, storedOf(kind, own), { ...options, requestKind: kind }),
      );
    },
    async update(kind, object, options) {
      if (!kind.view) return registry.update(kind, object, options);
      const stored = storedOf(kind, plainCopy(object));
      return viewOf(kind, await registry.update(kind.view.of, stored, { ...options, requestKind: kind }));
    },
    async mutate(kind, at, change, options) {
      if (!kind.view) return registry.mutate(kind, at, change, options);
      const changeStored = (draft: KubernetesObject) => {
        const seen = viewOf(kind, draft);
        change(seen);
        replaceContent(draft, storedOf(kind, seen));
      };
      const through = { ...options, requestKind: kind };
      return viewOf(kind, await registry.mutate(kind.view.of, at, changeStored, through));
    },
    async delete(kind, at, request) {
      if (!kind.view) return registry.delete(kind, at, request);
      return viewOf(kind, await registry.delete(kind.view.of, at, { ...request, requestKind: kind }));
    },
  };
}

function storedOf<T extends KubernetesObject>(kind: KindDefinition<T>, seen: T): KubernetesObject {
  kind.applyDefaults?.(seen);
  return kind.view?.toStored(seen) ?? seen;
}

function replaceContent(draft: KubernetesObject, content: KubernetesObject): void {
  for (const key of Object.keys(draft)) delete draft[key as keyof KubernetesObject];
  Object.assign(draft, content);
}
