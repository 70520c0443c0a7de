import { sameValue } from '../../../protocol/kinds/cause.ts';
import type { OpenApiPart } from '../../aggregation/aggregated-apis.ts';

interface Document {
  paths: Record<string, unknown>;
  definitions: Record<string, unknown>;
}

/**
 * Adds the paths and definitions of extension servers to an OpenAPI 2 document, in place. A name that stands for
 * something else already gets a suffix, so that no part changes the meaning of another (source: kube-openapi,
 * pkg/aggregator).
 */
export function addOpenApiPart(document: Document, part: OpenApiPart): void {
  const needed = reachableDefinitions(part);
  const renamed = new Map<string, string>();
  for (const name of needed) {
    const known = document.definitions[name];
    if (known === undefined || sameValue(known, part.definitions[name])) continue;
    let suffix = 2;
    while (document.definitions[`${name}_v${suffix}`] !== undefined) suffix += 1;
    renamed.set(name, `${name}_v${suffix}`);
  }
  for (const name of needed)
    document.definitions[renamed.get(name) ?? name] ??= withNames(part.definitions[name], renamed);
  for (const [path, item] of Object.entries(part.paths)) document.paths[path] ??= withNames(item, renamed);
}

const prefix = '#/definitions/';

/** Definitions that the paths refer to, directly or not. */
function reachableDefinitions({ paths, definitions }: OpenApiPart): Set<string> {
  const reached = new Set<string>();
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, field] of Object.entries(value)) {
      const name = key === '$ref' && typeof field === 'string' ? field.replace(prefix, '') : undefined;
      if (name === undefined) {
        visit(field);
      } else if (!reached.has(name) && Object.hasOwn(definitions, name)) {
        reached.add(name);
        visit(definitions[name]);
      }
    }
  };
  visit(paths);
  return reached;
}

function withNames(value: unknown, renamed: ReadonlyMap<string, string>): unknown {
  if (renamed.size === 0 || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => withNames(item, renamed));
  return Object.fromEntries(
    Object.entries(value).map(([key, field]) => {
      if (key !== '$ref' || typeof field !== 'string') return [key, withNames(field, renamed)];
      const name = field.replace(prefix, '');
      return [key, prefix + (renamed.get(name) ?? name)];
    }),
  );
}
