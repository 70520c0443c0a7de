import { apiVersionOf, type KindDefinition } from '../../protocol/kinds/define-kind.ts';
import type { KindChange, KindSet } from '../../protocol/kinds/kind-set.ts';

/** The served kinds, by the parts of a request path. */
export interface KindIndex {
  readonly kinds: readonly KindDefinition[];
  find(group: string, version: string, plural: string): KindDefinition | undefined;
  /** In the order Kubernetes lists them: core first, then by name. */
  readonly groupVersions: readonly GroupVersion[];
}

export interface GroupVersion {
  group: string;
  version: string;
  /** `v1` or `apps/v1`. */
  apiVersion: string;
  /** `api/v1` or `apis/apps/v1`. */
  path: string;
  kinds: readonly KindDefinition[];
}

/**
 * An index of `fixed` kinds and of a set that it follows; `onChange` hears which group versions changed. It follows
 * for as long as the set lives.
 */
export function followKinds(
  { set, fixed }: { set: KindSet; fixed: readonly KindDefinition[] },
  onChange: (changed: readonly GroupVersionName[]) => void,
): KindIndex {
  let index: KindIndex | undefined;
  const current = () => (index ??= indexKinds([...set, ...fixed]));
  set.onChange(({ added, removed }: KindChange) => {
    index = undefined;
    onChange([...added, ...removed]);
  });
  return {
    get kinds() {
      return current().kinds;
    },
    get groupVersions() {
      return current().groupVersions;
    },
    find: (group, version, plural) => current().find(group, version, plural),
  };
}

export type GroupVersionName = Pick<KindDefinition, 'group' | 'version'>;

/** `api/v1` or `apis/apps/v1`. */
export function pathOfGroupVersion({ group, version }: GroupVersionName): string {
  return group === '' ? `api/${version}` : `apis/${group}/${version}`;
}

export function indexKinds(kinds: readonly KindDefinition[]): KindIndex {
  const byPath = new Map(kinds.map((kind) => [`${apiVersionOf(kind)}/${kind.plural}`, kind]));
  const byApiVersion = Map.groupBy(kinds, apiVersionOf);
  const groupVersions = [...byApiVersion].map(([apiVersion, members]): GroupVersion => {
    const { group = '', version = '' } = members[0] ?? {};
    const path = pathOfGroupVersion({ group, version });
    return { group, version, apiVersion, path, kinds: members.toSorted(byPlural) };
  });
  return {
    kinds,
    groupVersions: groupVersions.sort((a, b) => compare(a.apiVersion, b.apiVersion) + coreFirst(a, b)),
    find: (group, version, plural) => byPath.get(`${apiVersionOf({ group, version })}/${plural}`),
  };
}

function byPlural(a: KindDefinition, b: KindDefinition): number {
  return compare(a.plural, b.plural);
}

function coreFirst(a: GroupVersion, b: GroupVersion): number {
  return 2 * (Number(b.group === '') - Number(a.group === ''));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
