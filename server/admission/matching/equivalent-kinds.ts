import type { KindDefinition, KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import type { KindSet } from '../../../protocol/kinds/kind-set.ts';

/** Kinds whose objects are the same ones: other versions, and views of other groups. */
export type EquivalentKinds = (kind: KindDefinition) => readonly KindDefinition[];

export function followEquivalentKinds(kinds: KindSet): EquivalentKinds {
  let byPlace: Map<string, KindDefinition[]> | undefined;
  kinds.onChange(() => {
    byPlace = undefined;
  });
  return (kind) => {
    byPlace ??= Map.groupBy(kinds, placeOf);
    return byPlace.get(placeOf(kind)) ?? [kind];
  };
}

function placeOf(kind: KindDefinition): string {
  const { group, plural } = kind.view?.of ?? kind;
  return `${group}/${plural}`;
}

/** An object as another equivalent kind shows it. May throw a StatusError where somebody else converts. */
export async function asKind(
  object: Readonly<KubernetesObject>,
  from: KindDefinition,
  to: KindDefinition,
): Promise<KubernetesObject> {
  if (from === to) return object;
  const apiVersion = to.group === '' ? to.version : `${to.group}/${to.version}`;
  const stored = from.view ? from.view.toStored(structuredClone(object)) : structuredClone(object);
  if (to.view) return { ...to.view.fromStored(stored), apiVersion, kind: to.kind };
  const convert = from.custom?.conversion?.convert;
  if (convert) {
    const [converted] = await convert([stored], apiVersion);
    return converted ?? stored;
  }
  return { ...stored, apiVersion, kind: to.kind };
}
