import type { KindDefinition } from './define-kind.ts';

/** The kinds that are served now. The built-in ones stay; those that CustomResourceDefinitions define come and go. */
export interface KindSet extends Iterable<KindDefinition> {
  /** Hears each change after it happened, in the order of the changes; what is in the set already is not replayed. */
  onChange(handler: (change: KindChange) => void): Disposable;
}

/** A kind whose definition changed is both removed (as it was) and added (as it is). */
export interface KindChange {
  added: readonly KindDefinition[];
  removed: readonly KindDefinition[];
}

/** A set that never changes. */
export function fixedKinds(kinds: readonly KindDefinition[]): KindSet {
  return {
    [Symbol.iterator]: () => kinds[Symbol.iterator](),
    onChange: () => ({ [Symbol.dispose]: () => {} }),
  };
}

/** One kind for each resource, which several versions share; the first version stands for the others. */
export function resourcesOf(kinds: Iterable<KindDefinition>): KindDefinition[] {
  const found = new Map<string, KindDefinition>();
  for (const kind of kinds) {
    const place = `${kind.group}/${kind.plural}`;
    if (!found.has(place)) found.set(place, kind);
  }
  return [...found.values()];
}

/** Of the removed kinds, one for each resource that no version in the set serves any more. */
export function withoutVersions(
  removed: readonly KindDefinition[],
  kinds: Iterable<KindDefinition>,
): KindDefinition[] {
  const served = new Set(Array.from(kinds, ({ group, plural }) => `${group}/${plural}`));
  return resourcesOf(removed).filter(({ group, plural }) => !served.has(`${group}/${plural}`));
}

/** The kinds whose objects are stored as their own, so that each object is seen once. */
export function withoutViews(kinds: KindSet): KindSet {
  const isStored = ({ view }: KindDefinition) => view === undefined;
  return {
    *[Symbol.iterator]() {
      for (const kind of kinds) if (isStored(kind)) yield kind;
    },
    onChange: (handler) =>
      kinds.onChange(({ added, removed }) =>
        handler({ added: added.filter(isStored), removed: removed.filter(isStored) }),
      ),
  };
}
