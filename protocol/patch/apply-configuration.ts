import { compareFields, type FieldChanges } from './compare-fields.ts';
import type { FieldSchema } from './field-schema.ts';
import { difference, type FieldSet, intersection, isEmpty, noFields, pathsOf, union } from './field-set.ts';
import { isObject } from './json-value.ts';
import { mergeFields } from './merge-fields.ts';
import {
  type ChangesElsewhere,
  type Conflict,
  conflictsWith,
  isOwner,
  type Owner,
  ownablePart,
  type Writer,
  yieldChanges,
} from './owners.ts';
import { pathText } from './path-element.ts';
import { fieldsOf, isEmptyObject, withNamedParents, withoutFields } from './walk-fields.ts';

export interface Application {
  /** The object as it stands; undefined when there is none yet. */
  live: object | undefined;
  /** All that the applier wants to own, decoded. */
  config: object;
  owners: readonly Owner[];
  applier: Writer;
  /** Take what others own, too. */
  force: boolean;
  /** What it may take without force. */
  mayTake?: FieldSet;
  schema: FieldSchema;
  /** RFC 3339. */
  time: string;
  /** The fields of owners by other versions as this one names them, where that is otherwise. */
  renamed?: ReadonlyMap<Owner, FieldSet>;
}

export type Applied = { object: object; owners: Owner[] } | { conflicts: Conflict[] };

/**
 * Server-side apply (source: sigs.k8s.io/structured-merge-diff, merge): the live object with everything that the
 * configuration sets, without what the applier set last time, does not set any more and nobody else owns. Another's
 * field that would change is a conflict, unless it is forced; one that has the wanted value already is owned by
 * both. Neither `live` nor `config` is changed, but the result shares parts with them.
 */
export function applyConfiguration(application: Application): Applied {
  return takeFields(mergeConfiguration(application), application);
}

/** What an application makes of an object, before it is asked whose fields that changes. */
export interface Merged {
  object: object;
  changes: FieldChanges;
  others: readonly Owner[];
  own: Owner;
}

export function mergeConfiguration(application: Application): Merged {
  const { live = {}, config, owners, applier, schema, time, renamed } = application;
  const fieldsOfOwner = (owner: Owner) => renamed?.get(owner) ?? owner.fields;
  const last = owners.find((owner) => isOwner(owner, 'Apply', applier));
  const others = owners.filter((owner) => owner !== last);
  const fields = appliedFields(config, schema);
  const merged = mergeFields(live, config, schema);
  const owned = others.reduce((all, owner) => union(all, fieldsOfOwner(owner)), fields);
  const pruned = prune(merged, { last: last ? fieldsOfOwner(last) : noFields, owned, schema });
  // A list that lost all of its items went with them, but the configuration may want it empty.
  const object = mergeFields(pruned, config, schema) as object;
  const changes = compareFields(live, object, schema);
  return { object, changes, others, own: { ...applier, operation: 'Apply', time, fields } };
}

/** Who owns what after it, or who stands against it. */
export function takeFields(
  { object, changes, others, own }: Merged,
  { force, mayTake = noFields }: Pick<Application, 'force' | 'mayTake'>,
  elsewhere?: ChangesElsewhere,
): Applied {
  const conflicts = force ? [] : conflictsWith(others, difference(changes.set, mayTake), elsewhere);
  if (conflicts.length > 0) return { conflicts };
  const left = yieldChanges(others, changes, elsewhere);
  return { object, owners: isEmpty(own.fields) ? left : [...left, own] };
}

/** What an applier of the configuration owns. */
export function appliedFields(config: object, schema: FieldSchema): FieldSet {
  const { metadata, ...part } = ownablePart(config);
  const named = isObject(metadata) && !isEmptyObject(metadata) ? { metadata } : {};
  return fieldsOf({ ...part, ...named }, schema);
}

interface Pruning {
  /** What the applier owned before. */
  last: FieldSet;
  /** What anybody owns now. */
  owned: FieldSet;
  schema: FieldSchema;
}

/**
 * Takes out what was the applier's and is nobody's now. Something under a field of the applier's that was never its own
 * stays, and so does the field then.
 */
function prune(merged: unknown, { last, owned, schema }: Pruning): unknown {
  if (isEmpty(last)) return merged;
  const named = (set: FieldSet) => withNamedParents(set, schema);
  const all = named(fieldsOf(merged, schema));
  const without = (gone: FieldSet) => withoutFields(merged, gone, { schema, kept: owned }) ?? {};
  const bare = named(fieldsOf(without(named(last)), schema));
  const kept = named(fieldsOf(without(difference(all, union(bare, named(owned)))), schema));
  return without(difference(intersection(difference(all, kept), named(last)), owned));
}

/** A conflict in Kubernetes' words, one line per field. */
export function describeConflicts(conflicts: readonly Conflict[]): {
  message: string;
  causes: { field: string; message: string }[];
} {
  const causes = conflicts.flatMap(({ owner, fields }) =>
    pathsOf(fields).map((path) => ({
      field: pathText(path),
      owner: describeOwner(owner),
      message: `conflict with ${describeOwner(owner)}`,
    })),
  );
  const owners = [...new Set(causes.map(({ owner }) => owner))].sort();
  const [only] = causes;
  const details =
    only && causes.length === 1
      ? `1 conflict: ${only.message}: ${only.field}`
      : `${causes.length} conflicts: ${owners.map((owner) => paragraph(owner)).join('\n')}`;
  return {
    message: `Apply failed with ${details}`,
    causes: causes.map(({ field, message }) => ({ field, message })),
  };

  function paragraph(owner: string): string {
    const lines = causes.filter((cause) => cause.owner === owner).map(({ field }) => `- ${field}`);
    return [`conflicts with ${owner}:`, ...lines].join('\n');
  }
}

function describeOwner({ manager, operation, apiVersion, subresource }: Owner): string {
  const within = subresource === '' ? '' : ` with subresource ${JSON.stringify(subresource)}`;
  const using = operation === 'Update' ? ` using ${apiVersion}` : '';
  return `${JSON.stringify(manager)}${within}${using}`;
}
