import type { KindDefinition } from '../../../protocol/kinds/define-kind.ts';
import { refOf, type Schema } from '../../../protocol/schema/schema.ts';
import { schemas } from '../../../protocol/schema/schemas.ts';
import type { ApiServices } from '../exchange.ts';
import type { GroupVersion } from '../kind-index.ts';
import { ownGroupVersions } from './discovery.ts';
import type { Document } from './documents.ts';
import { pathsOf } from './openapi-paths.ts';

/** `/openapi/v3`: where each group version's document is, with its hash so that clients keep it. */
export function openApiIndex(services: ApiServices) {
  const entry = (path: string, hash: string) => [
    path,
    { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` },
  ];
  const own = ownGroupVersions(services).map(({ path }) =>
    entry(path, openApiV3(services, path)?.hash ?? ''),
  );
  const passed = services.aggregated
    .list()
    .flatMap(({ group, version, openApi: { v3Hash } }) =>
      v3Hash === undefined ? [] : [entry(`apis/${group}/${version}`, v3Hash)],
    );
  const paths = Object.fromEntries([...own, ...passed]) as Record<string, { serverRelativeURL: string }>;
  return { paths };
}

/** The OpenAPI 3 document of a group version, `api/v1` or `apis/<group>/<version>`; undefined when not served. */
export function openApiV3(services: ApiServices, path: string): Document | undefined {
  const groupVersion = services.kinds.groupVersions.find((candidate) => candidate.path === path);
  if (!groupVersion) return undefined;
  return services.documents.get(`openapi/v3/${path}`, () => documentOf(services, groupVersion));
}

function documentOf({ version }: ApiServices, groupVersion: GroupVersion) {
  const { paths, schemaNames } = pathsOf(groupVersion);
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: version.gitVersion },
    paths,
    components: { schemas: schemasReachableFrom(schemaNames, groupVersion.kinds) },
  };
}

/** The named schemas and all that they refer to, sorted by name; `kinds` may bring schemas of their own. */
export function schemasReachableFrom(
  names: Iterable<string>,
  kinds: readonly KindDefinition[],
): Record<string, Schema> {
  const custom = new Map(kinds.flatMap(({ custom }) => Object.entries(custom?.schemas ?? {})));
  const schemaOf = (name: string) => custom.get(name) ?? schemas[name];
  const reached = new Set<string>();
  const waiting = [...names];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const schema = schemaOf(name);
    if (reached.has(name) || !schema) continue;
    reached.add(name);
    collectReferences(schema, waiting);
  }
  const told = (schema: Schema) => withFieldDocs(schema, (name) => schemaOf(name)?.description);
  return Object.fromEntries([...reached].sort().map((name) => [name, told(schemaOf(name) ?? {})]));
}

/** The models that schemas come from tell nothing of a field that refers to another type: what that one is stands in. */
function withFieldDocs(schema: Schema, docsOf: (name: string) => string | undefined): Schema {
  if (!schema.properties) return schema;
  const properties = Object.entries(schema.properties).map(([field, value]): [string, Schema] => {
    const { $ref, ...rest } = value;
    const description = rest.description === undefined ? docsOf(refOf(value) ?? '') : undefined;
    if (description === undefined) return [field, value];
    return [field, { ...rest, ...($ref === undefined ? {} : { allOf: [{ $ref }] }), description }];
  });
  return { ...schema, properties: Object.fromEntries(properties) };
}

function collectReferences(schema: Schema, into: string[]): void {
  const name = refOf(schema);
  if (name !== undefined) into.push(name);
  const { properties, items, additionalProperties, oneOf } = schema;
  for (const part of [...Object.values(properties ?? {}), items, additionalProperties, ...(oneOf ?? [])])
    if (part) collectReferences(part, into);
}
