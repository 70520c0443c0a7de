import type { KindDefinition } from '../../../protocol/kinds/define-kind.ts';
import { aggregatedVersion } from '../aggregation/listed-resources.ts';
import type { ApiServices } from '../exchange.ts';
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

/** The groups that this server answers for, and those that it passes on to others. */
type Served = Pick<ApiServices, 'kinds' | 'aggregated'>;

/** `/apis`: the named groups. */
export function groupList(served: Served) {
  return {
    kind: 'APIGroupList',
    apiVersion: 'v1',
    groups: groupNames(served).map((name) => groupOf(served, name)),
  };
}

/** `/apis/<group>`; undefined when it is not served. */
export function oneGroup(served: Served, name: string) {
  if (!groupNames(served).includes(name)) return undefined;
  return { kind: 'APIGroup', apiVersion: 'v1', ...groupOf(served, name) };
}

export function groupNames({ kinds, aggregated }: Served): string[] {
  const groups = [...kinds.groupVersions, ...aggregated.list()].flatMap(({ group }) => group || []);
  return [...new Set(groups)];
}

function groupOf(served: Served, name: string) {
  const versions = versionsOf(served, name).map((version) => ({
    groupVersion: `${name}/${version}`,
    version,
  }));
  return { name, versions, preferredVersion: versions[0] };
}

function versionsOf({ kinds, aggregated }: Served, name: string): string[] {
  const own = [...kinds.groupVersions, ...aggregated.list()].filter(({ group }) => group === name);
  return [...new Set(own.map(({ version }) => version))].sort(compareVersions);
}

/** The group versions that this server answers for itself. */
export function ownGroupVersions({ kinds, aggregated }: Served): readonly GroupVersion[] {
  return kinds.groupVersions.filter(({ group, version }) => !aggregated.find(group, version));
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
export function aggregatedDiscovery(served: Served, root: 'api' | 'apis', apiVersion: string) {
  const names = root === 'api' ? [''] : groupNames(served);
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion,
    metadata: {},
    items: names.map((name) => ({
      metadata: { name, creationTimestamp: null },
      versions: versionsOf(served, name).map((version) => discoveryVersion(served, name, version)),
    })),
  };
}

function discoveryVersion({ kinds, aggregated }: Served, group: string, version: string) {
  const passed = aggregated.find(group, version);
  if (passed) return aggregatedVersion(passed);
  const own = kinds.groupVersions.find(
    (candidate) => candidate.group === group && candidate.version === version,
  );
  return { version, resources: (own?.kinds ?? []).map(aggregatedResource), freshness: 'Current' };
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
