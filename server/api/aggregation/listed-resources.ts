import type { AggregatedApi, ListedResource } from '../../aggregation/aggregated-apis.ts';

/** What an extension server's own discovery lists, in the form in which newer clients ask for all groups at once. */
export function aggregatedVersion({ group, version, resources, available }: AggregatedApi) {
  const own = resources.filter(({ name }) => !name.includes('/'));
  return {
    version,
    resources: own.map((resource) => ({
      resource: resource.name,
      responseKind: responseKind(resource, { group, version }),
      scope: resource.namespaced === true ? 'Namespaced' : 'Cluster',
      singularResource: textOf(resource.singularName),
      verbs: textsOf(resource.verbs),
      ...listOf('shortNames', resource),
      ...listOf('categories', resource),
      ...subresourcesOf(resource.name, resources, { group, version }),
    })),
    freshness: available ? 'Current' : 'Stale',
  };
}

interface GroupVersionName {
  group: string;
  version: string;
}

function subresourcesOf(name: string, resources: readonly ListedResource[], own: GroupVersionName) {
  const prefix = `${name}/`;
  const subresources = resources
    .filter((resource) => resource.name.startsWith(prefix))
    .map((resource) => ({
      subresource: resource.name.slice(prefix.length),
      responseKind: responseKind(resource, own),
      verbs: textsOf(resource.verbs),
    }));
  return subresources.length > 0 ? { subresources } : {};
}

function responseKind(resource: ListedResource, own: GroupVersionName) {
  return {
    group: textOf(resource.group) || own.group,
    version: textOf(resource.version) || own.version,
    kind: textOf(resource.kind),
  };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

function listOf(field: 'shortNames' | 'categories', resource: ListedResource) {
  const values = textsOf(resource[field]);
  return values.length > 0 ? { [field]: values } : {};
}
