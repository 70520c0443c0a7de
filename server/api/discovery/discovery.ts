import type { KindDefinition } from '../../../protocol/kinds/define-kind.ts';
import type { GroupVersion, KindIndex } from '../kind-index.ts';
import { subresourceOf } from '../subresources/subresources.ts';

/** `/api`: the versions of the core group. */
export function coreVersions(kinds: KindIndex, serverAddress: string) {
  return {
    kind: 'APIVersions',
    versions: kinds.groupVersions.filter(({ group }) => group === '').map(({ version }) => version),
    serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }],
  };
}

/** `/apis`: the named groups. */
export function groupList(kinds: KindIndex) {
  return {
    kind: 'APIGroupList',
    apiVersion: 'v1',
    groups: groupNames(kinds).map((name) => groupOf(kinds, name)),
  };
}

/** `/apis/<group>`; undefined when it is not served. */
export function oneGroup(kinds: KindIndex, name: string) {
  if (!groupNames(kinds).includes(name)) return undefined;
  return { kind: 'APIGroup', apiVersion: 'v1', ...groupOf(kinds, name) };
}

export function groupNames(kinds: KindIndex): string[] {
  return [...new Set(kinds.groupVersions.flatMap(({ group }) => group || []))];
}

function groupOf(kinds: KindIndex, name: string) {
  const versions = kinds.groupVersions
    .filter(({ group }) => group === name)
    .map(({ apiVersion, version }) => ({ groupVersion: apiVersion, version }))
    .sort((a, b) => compareVersions(a.version, b.version));
  return { name, versions, preferredVersion: versions[0] };
}

/** Newest stable version first: v2, v1, v1beta1, v1alpha1 (source: k8s.io/apimachinery/pkg/version). */
export function compareVersions(a: string, b: string): number {
  const [stageA, majorA, minorA] = versionRank(a);
  const [stageB, majorB, minorB] = versionRank(b);
  return stageB - stageA || majorB - majorA || minorB - minorA;
}

function versionRank(version: string): [number, number, number] {
  const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
  if (!match) return [-1, 0, 0];
  const stage = match[2] === 'alpha' ? 0 : match[2] === 'beta' ? 1 : 2;
  return [stage, Number(match[1]), Number(match[3] ?? 0)];
}

/** `/api/v1` and `/apis/<group>/<version>`. */
export function resourceList({ apiVersion, kinds }: GroupVersion) {
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: apiVersion,
    resources: kinds.flatMap((kind) => [
      resourceOf(kind),
      ...kind.subresources.flatMap((name) => childOf(kind, name)),
    ]),
  };
}

function resourceOf(kind: KindDefinition) {
  return {
    name: kind.plural,
    singularName: kind.singular,
    namespaced: kind.namespaced,
    kind: kind.kind,
    verbs: kind.verbs,
    ...(kind.shortNames.length > 0 ? { shortNames: kind.shortNames } : {}),
    ...(kind.categories.length > 0 ? { categories: kind.categories } : {}),
  };
}

function childOf(kind: KindDefinition, name: string) {
  const subresource = subresourceOf(kind, name);
  if (!subresource) return [];
  const { responseKind, verbs } = subresource;
  const { group, version } = responseKind ?? kind;
  const foreign = group !== kind.group || version !== kind.version;
  return [
    {
      name: `${kind.plural}/${name}`,
      singularName: '',
      namespaced: kind.namespaced,
      ...(foreign ? { group, version } : {}),
      kind: (responseKind ?? kind).kind,
      verbs,
    },
  ];
}

/** All resources of `/api` (`core`) or `/apis` in one document, as newer clients ask for them. */
export function aggregatedDiscovery(kinds: KindIndex, root: 'api' | 'apis', apiVersion: string) {
  const names = root === 'api' ? [''] : groupNames(kinds);
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion,
    metadata: {},
    items: names.map((name) => ({
      metadata: { name, creationTimestamp: null },
      versions: kinds.groupVersions
        .filter(({ group }) => group === name)
        .sort((a, b) => compareVersions(a.version, b.version))
        .map((groupVersion) => ({
          version: groupVersion.version,
          resources: groupVersion.kinds.map(aggregatedResource),
          freshness: 'Current',
        })),
    })),
  };
}

function aggregatedResource(kind: KindDefinition) {
  const subresources = kind.subresources.flatMap((name) => {
    const subresource = subresourceOf(kind, name);
    if (!subresource) return [];
    const responseKind = subresource.responseKind ?? {
      group: kind.group,
      version: kind.version,
      kind: kind.kind,
    };
    return [{ subresource: name, responseKind, verbs: subresource.verbs }];
  });
  return {
    resource: kind.plural,
    responseKind: typeOf(kind),
    scope: kind.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: kind.singular,
    verbs: kind.verbs,
    ...(kind.shortNames.length > 0 ? { shortNames: kind.shortNames } : {}),
    ...(kind.categories.length > 0 ? { categories: kind.categories } : {}),
    ...(subresources.length > 0 ? { subresources } : {}),
  };
}

function typeOf({ group, version, kind }: { group: string; version: string; kind: string }) {
  return { group, version, kind };
}
