import { sameValue } from '../kinds/cause.ts';
import type { FieldSchema, List } from './field-schema.ts';
import { type FieldSet, node, noFields, self } from './field-set.ts';
import { isObject, type JsonObject } from './json-value.ts';
import { groupItems } from './list-items.ts';
import { fieldElement } from './path-element.ts';
import { innerSchema, isEmptyObject, isLeaf } from './walk-fields.ts';

/** What a write did to an object. */
export interface FieldChanges {
  /** Fields that are new or have another value. */
  readonly set: FieldSet;
  readonly removed: FieldSet;
}

/**
 * What changes between two states of an object (source: sigs.k8s.io/structured-merge-diff, typed). This runs on every
 * write of a client: what is the same on both sides costs no more than being compared.
 */
export function compareFields(before: unknown, after: unknown, schema: FieldSchema): FieldChanges {
  const changes: Collected = { set: {}, removed: {} };
  compareParts(before, after, schema, changes);
  return changes;
}

interface Collected {
  readonly set: Record<string, FieldSet>;
  readonly removed: Record<string, FieldSet>;
}

function compareParts(before: unknown, after: unknown, schema: FieldSchema, into: Collected): void {
  if (schema.type === 'list')
    return compareItems(Array.isArray(before) ? before : [], Array.isArray(after) ? after : [], schema, into);
  if (schema.type !== 'leaf')
    compareObjects(isObject(before) ? before : {}, isObject(after) ? after : {}, schema, into);
}

function compareObjects(
  before: JsonObject,
  after: JsonObject,
  schema: Exclude<FieldSchema, List>,
  into: Collected,
): void {
  for (const name in after) {
    const [old, next] = [before[name], after[name]];
    if (old === next) continue;
    const element = fieldElement(name);
    compareAt(element, { old, next, schema: innerSchema(schema, element) }, into);
  }
  for (const name in before) {
    if (name in after || before[name] === undefined) continue;
    const element = fieldElement(name);
    into.removed[element] = allOf(before[name], innerSchema(schema, element));
  }
}

function compareItems(
  before: readonly unknown[],
  after: readonly unknown[],
  schema: List,
  into: Collected,
): void {
  const old = groupItems(before, schema);
  const next = groupItems(after, schema);
  const items = schema.items();
  for (const [element, group] of next) {
    const others = old.get(element) ?? [];
    compareAt(element, { old: others[0], next: group[0], schema: items }, into);
    // Of items that bear the same key the first one is compared; the others count by being there.
    if (others.length > 0 && (group.length > 1 || others.length > 1) && !sameValue(others, group))
      into.set[element] = { [self]: noFields, ...into.set[element] };
  }
  for (const [element, group] of old) {
    if (!next.has(element)) into.removed[element] = allOf(group[0], items);
  }
}

interface Pair {
  old: unknown;
  next: unknown;
  schema: FieldSchema;
}

function compareAt(element: string, { old, next, schema }: Pair, into: Collected): void {
  if (next === undefined) {
    if (old !== undefined) into.removed[element] = allOf(old, schema);
  } else if (old === undefined) {
    into.set[element] = allOf(next, schema);
  } else if (!sameValue(old, next)) {
    const inner: Collected = { set: {}, removed: {} };
    const whole = isWhole(old, schema) && isWhole(next, schema);
    if (!whole) compareParts(old, next, schema, inner);
    const turned = schema.type === 'free' && isObject(old) !== isObject(next);
    const set = node(whole || turned, inner.set);
    const removed = node(false, inner.removed);
    if (set) into.set[element] = set;
    if (removed) into.removed[element] = removed;
  }
}

/** A value that comes or goes with all that is in it. */
function allOf(value: unknown, schema: FieldSchema): FieldSet {
  if (isWhole(value, schema)) return noFields;
  const all: Record<string, FieldSet> = { [self]: noFields };
  if (schema.type === 'list') {
    const items = schema.items();
    for (const [element, group] of groupItems(value as unknown[], schema))
      all[element] = allOf(group[0], items);
  } else if (schema.type !== 'leaf') {
    for (const name in value as JsonObject) {
      const inner = (value as JsonObject)[name];
      if (inner === undefined) continue;
      const element = fieldElement(name);
      all[element] = allOf(inner, innerSchema(schema, element));
    }
  }
  return all;
}

/** Nothing in it could be compared: a leaf, or an object or list that is empty or not there. */
function isWhole(value: unknown, schema: FieldSchema): boolean {
  if (isLeaf(value, schema)) return true;
  if (schema.type === 'list') return !Array.isArray(value) || value.length === 0;
  return !isObject(value) || isEmptyObject(value);
}
