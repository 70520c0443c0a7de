import { type FieldSchema, free, type List, leaf } from './field-schema.ts';
import { childOf, type FieldSet, isEmpty, isOwned, node, noFields } from './field-set.ts';
import { isObject, type JsonObject } from './json-value.ts';
import { groupItems } from './list-items.ts';
import { fieldElement } from './path-element.ts';

/**
 * What values mean as sets of fields (source: sigs.k8s.io/structured-merge-diff, typed). A value is an object of
 * the API as the decoder leaves it; undefined stands for absent.
 */
type Collected = Record<string, FieldSet>;

/** All fields that a configuration sets: what its applier will own. */
export function fieldsOf(value: unknown, schema: FieldSchema): FieldSet {
  const fields: Collected = {};
  const parts = partsOf(value, schema);
  if (parts.type === 'leaf') return noFields;
  for (const { element, value: inner, schema: innerSchema, isItem } of parts.all) {
    const owns = isItem || isLeaf(inner, innerSchema) || (isObject(inner) && isEmptyObject(inner));
    put(fields, element, node(owns, fieldsOf(inner, innerSchema)));
  }
  return fields;
}

export function isLeaf(value: unknown, { type }: FieldSchema): boolean {
  return type === 'leaf' || (type === 'free' && !isObject(value));
}

export function isEmptyObject(value: JsonObject): boolean {
  for (const _ in value) return false;
  return true;
}

/**
 * `value` without the fields of `fields`. An object or list that loses all of its parts is gone, too, unless `kept` has
 * it.
 */
export function withoutFields(
  value: unknown,
  fields: FieldSet,
  { schema, kept = noFields }: { schema: FieldSchema; kept?: FieldSet | undefined },
): unknown {
  if (isEmpty(fields)) return value;
  const parts = partsOf(value, schema);
  if (parts.type === 'leaf') return value;
  const left: Part[] = [];
  for (const part of parts.all) {
    const inner = childOf(fields, part.element);
    if (inner === undefined) {
      left.push(part);
    } else if (!isOwned(inner)) {
      const keptInner = childOf(kept, part.element);
      const rest = withoutFields(part.value, inner, { schema: part.schema, kept: keptInner ?? noFields });
      const empty = Array.isArray(part.value) ? [] : {};
      if (rest !== undefined || isOwned(keptInner)) left.push({ ...part, value: rest ?? empty });
    }
  }
  if (left.length === 0) return undefined;
  if (Array.isArray(value)) return left.map((part) => part.value);
  return Object.fromEntries(left.map((part) => [part.element.slice(2), part.value]));
}

/**
 * The set with every named field that leads to one of its own: whoever owns `spec.strategy.type` then owns `spec` and
 * `spec.strategy`, too. Keys of maps and items of lists are no named fields.
 */
export function withNamedParents(set: FieldSet, schema: FieldSchema): FieldSet {
  const fields: Collected = {};
  for (const element in set) {
    const child = childOf(set, element);
    if (!child || element === '.') continue;
    const name = element.slice(2);
    const isNamed = schema.type === 'struct' && element.startsWith('f:') && schema.has(name);
    const inner = innerSchema(schema, element);
    put(fields, element, node(isNamed || isOwned(child), withNamedParents(child, inner)));
  }
  return fields;
}

/** The rules of what an element leads to. */
export function innerSchema(schema: FieldSchema, element: string): FieldSchema {
  switch (schema.type) {
    case 'struct':
      return schema.field(element.slice(2));
    case 'map':
      return schema.values();
    case 'list':
      return schema.items();
    case 'free':
      return free;
    case 'leaf':
      return leaf;
    default:
      return schema satisfies never;
  }
}

export interface Part {
  readonly element: string;
  readonly value: unknown;
  readonly schema: FieldSchema;
  /** Of a map or list, in contrast to a field that the schema names: owned itself beside what is in it. */
  readonly isItem: boolean;
}

/** The parts of a value that are owned one by one; a leaf has none. */
export function partsOf(
  value: unknown,
  schema: FieldSchema,
): { type: 'leaf' } | { type: 'parts'; all: readonly Part[] } {
  if (schema.type === 'leaf') return { type: 'leaf' };
  if (schema.type === 'list') return { type: 'parts', all: Array.isArray(value) ? items(value, schema) : [] };
  if (schema.type === 'free' && !isObject(value)) return { type: 'leaf' };
  return { type: 'parts', all: isObject(value) ? fields(value, schema) : [] };
}

function items(list: readonly unknown[], schema: List): Part[] {
  if (list.length === 0) return [];
  const inner = schema.items();
  return [...groupItems(list, schema)].flatMap(([element, group]) =>
    group.map((value) => ({
      element,
      value,
      schema: inner,
      isItem: true,
    })),
  );
}

function fields(value: JsonObject, schema: Exclude<FieldSchema, List>): Part[] {
  const parts: Part[] = [];
  for (const name in value) {
    if (value[name] === undefined) continue;
    parts.push({
      element: fieldElement(name),
      value: value[name],
      schema: innerSchema(schema, fieldElement(name)),
      isItem: schema.type !== 'struct' || !schema.has(name),
    });
  }
  return parts;
}

function put(children: Collected, element: string, child: FieldSet | undefined): void {
  if (child) children[element] = child;
}
