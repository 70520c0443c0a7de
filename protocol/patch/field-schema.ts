import type { KindDefinition } from '../kinds/define-kind.ts';
import { refOf, type Schema, type SchemaSet } from '../schema/schema.ts';

/** What server-side apply must know of an object of a kind. */
export function fieldsOfKind(
  { schema, custom }: Pick<KindDefinition, 'schema' | 'custom'>,
  fieldSchemaOf: FieldSchemaOf,
): FieldSchema {
  return custom ? custom.fields : fieldSchemaOf(schema);
}

/** What server-side apply must know of a value: whether it is owned in one piece, and what its parts are otherwise. */
export type FieldSchema = Leaf | Struct | Keyed | List | Free;

/** A scalar, or an atomic list or object: owned whole. */
interface Leaf {
  readonly type: 'leaf';
}

/** An object with fields of its own; a field that no schema names is a leaf. */
interface Struct {
  readonly type: 'struct';
  field(name: string): FieldSchema;
  has(name: string): boolean;
}

/** A map of strings to values. */
interface Keyed {
  readonly type: 'map';
  readonly values: () => FieldSchema;
}

/** A list whose items are owned one by one. */
export interface List {
  readonly type: 'list';
  /** Fields that tell the items apart; undefined for a set of values. */
  readonly keys: readonly string[] | undefined;
  /** What an item that leaves a key out means. */
  readonly keyDefaults: Readonly<Record<string, unknown>>;
  readonly items: () => FieldSchema;
}

/** Nobody says what is in there: objects are maps, everything else is a leaf. */
interface Free {
  readonly type: 'free';
}

/** Finds the rules of a schema by its name, e.g. `io.k8s.api.apps.v1.Deployment`. */
export type FieldSchemaOf = (name: string) => FieldSchema;

export const leaf: Leaf = { type: 'leaf' };
export const free: Free = { type: 'free' };

/** Rules are compiled at their first use and kept. A name without schema is free-form. */
export function compileFieldSchemas(schemas: SchemaSet): FieldSchemaOf {
  const compiled = new Map<string, FieldSchema>();
  const context: Compilation = { schemas, byName };
  return byName;

  function byName(name: string): FieldSchema {
    const known = compiled.get(name);
    if (known) return known;
    const schema = schemas[name];
    const rules = schema ? compileFieldSchema(schema, context) : free;
    compiled.set(name, rules);
    return rules;
  }
}

/** Where a schema finds those it refers to. Asked only when they are needed, for schemas contain themselves. */
interface Compilation {
  readonly schemas: SchemaSet;
  readonly byName: FieldSchemaOf;
}

/** The rules of one schema, such as that of a custom resource. */
export function compileFieldSchema(schema: Schema, context: Compilation): FieldSchema {
  const mapType = schema['x-kubernetes-map-type'];
  if (mapType === 'atomic') return leaf;
  const ref = refOf(schema);
  const target = ref === undefined ? undefined : context.schemas[ref];
  if (mapType === 'granular' && target)
    return compileFieldSchema({ ...target, 'x-kubernetes-map-type': mapType }, context);
  if (ref !== undefined) return context.byName(ref);
  if (schema.type === 'array') return listRules(schema, context);
  if (schema.properties) return structRules(schema, schema.properties, context);
  const values = schema.additionalProperties;
  if (values) return { type: 'map', values: once(() => compileFieldSchema(values, context)) };
  return schema['x-kubernetes-preserve-unknown-fields'] ? free : leaf;
}

function structRules(schema: Schema, properties: Record<string, Schema>, context: Compilation): FieldSchema {
  const others = schema['x-kubernetes-preserve-unknown-fields'] ? free : leaf;
  const fields = new Map(
    Object.entries(properties).map(([name, property]) => [
      name,
      once(() => compileFieldSchema(property, context)),
    ]),
  );
  return {
    type: 'struct',
    field: (name) => fields.get(name)?.() ?? others,
    has: (name) => fields.has(name),
  };
}

function listRules(schema: Schema, context: Compilation): FieldSchema {
  const { items = {}, 'x-kubernetes-list-type': listType, 'x-kubernetes-list-map-keys': keys = [] } = schema;
  if (listType !== 'map' && listType !== 'set') return leaf;
  return {
    type: 'list',
    keys: listType === 'map' ? [...keys].sort() : undefined,
    keyDefaults: listType === 'map' ? defaultsOf(keys, items, context) : {},
    items: once(() => compileFieldSchema(items, context)),
  };
}

function defaultsOf(keys: readonly string[], items: Schema, { schemas }: Compilation) {
  const properties = (schemas[refOf(items) ?? ''] ?? items).properties ?? {};
  const defaults: Record<string, unknown> = {};
  for (const key of keys) {
    const value = properties[key]?.default;
    if (value !== undefined) defaults[key] = value;
  }
  return defaults;
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}
