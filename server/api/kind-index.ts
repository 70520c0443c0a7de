import { apiVersionOf, type KindDefinition } from '../../protocol/kinds/define-kind.ts';

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

export function indexKinds(kinds: readonly KindDefinition[]): KindIndex {
  const byPath = new Map(kinds.map((kind) => [`${apiVersionOf(kind)}/${kind.plural}`, kind]));
  const byApiVersion = Map.groupBy(kinds, apiVersionOf);
  const groupVersions = [...byApiVersion].map(([apiVersion, members]): GroupVersion => {
    const { group = '', version = '' } = members[0] ?? {};
    const path = group === '' ? `api/${version}` : `apis/${group}/${version}`;
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
