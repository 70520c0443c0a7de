import { coreModels, extraModels } from '../schema/overlay.ts';
import { metaPrefix } from '../schema/well-known.ts';
import type { ClientModels } from './client-models.ts';

/** Kubernetes' name of every model in use, e.g. `V1PodSpec` → `io.k8s.api.core.v1.PodSpec`. */
export type SchemaNames = ReadonlyMap<string, string>;

/** The model's own name without the client's group and version: `CoreV1Event` → `Event`. */
export function shortName(model: string): string {
  return /^(?:[A-Z][a-z]+)?V\d+(?:(?:alpha|beta)\d+)?([A-Z].*)$/.exec(model)?.[1] ?? model;
}

function versionOf(model: string): string {
  return `v${/V(\d+(?:(?:alpha|beta)\d+)?)[A-Z]/.exec(model)?.[1] ?? '1'}`;
}

/** Models that a client's type mentions. */
function modelsIn(type: string): string[] {
  return type.match(/\b(?:[A-Z][a-z]+)?V\d[A-Za-z0-9]+/g)?.filter((name) => name !== 'V1MicroTime') ?? [];
}

/** The client's model of a schema: `io.k8s.api.core.v1.Event` → `CoreV1Event`. */
export function modelOf(schema: string, models: ClientModels): string {
  const [, group = '', version = '', name = ''] = /([a-z0-9]+)\.(v\d\w*)\.(\w+)$/.exec(schema) ?? [];
  const bare = version.replace(/^v/, 'V') + name;
  const withGroup = group.charAt(0).toUpperCase() + group.slice(1) + bare;
  const found = [withGroup, bare].find((candidate) => models.has(candidate));
  if (found === undefined) throw new Error(`${schema}: the official client has no model of it`);
  return found;
}

/**
 * The client forgets which group a model belongs to. It is recovered from reach: what the meta models reach is
 * meta, what core's reach beyond that is core, and the rest belongs to the first other group that reaches it.
 */
export function nameSchemas(roots: readonly string[], models: ClientModels): SchemaNames {
  const names = new Map<string, string>();
  const claim = (prefix: string, model: string): void => {
    if (names.has(model)) return;
    const versioned = prefix === metaPrefix ? prefix : prefix.replace(/[^.]+$/, versionOf(model));
    names.set(model, `${versioned}.${shortName(model)}`);
    for (const field of models.read(model).fields) {
      for (const next of modelsIn(field.type)) claim(prefix, next);
    }
  };
  const claimAll = (prefix: string, list: readonly string[]) => list.forEach((model) => claim(prefix, model));

  claimAll(metaPrefix, ['V1ObjectMeta', 'V1ListMeta', ...extraModels[metaPrefix]]);
  claimAll('io.k8s.api.core.v1', coreModels);
  for (const [prefix, list] of Object.entries(extraModels)) claimAll(prefix, list);
  for (const schema of roots) claim(schema.slice(0, schema.lastIndexOf('.')), modelOf(schema, models));
  return names;
}

/** The models that the roots reach, roots included, sorted by schema name. */
export function closureOf(roots: readonly string[], models: ClientModels, names: SchemaNames): string[] {
  const reached = new Set<string>();
  const visit = (model: string): void => {
    if (reached.has(model)) return;
    reached.add(model);
    for (const field of models.read(model).fields) modelsIn(field.type).forEach(visit);
  };
  roots.forEach(visit);
  return [...reached].sort((a, b) => compare(names.get(a) ?? a, names.get(b) ?? b));
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
