import {
  childPath,
  isJsonObject,
  type JsonObject,
  type StructuralSchema,
  valuesSchema,
} from './structural-schema.ts';

/** As many as a client can make sense of; the rest is removed in silence. */
const unknownFieldsMax = 100;

const embedded = new Set(['apiVersion', 'kind', 'metadata']);

/**
 * Removes, in place, the fields that the schema does not know, and returns their paths. `value` is a whole object:
 * its type and metadata are not the schema's to say.
 */
export function pruneObject(value: unknown, schema: StructuralSchema): string[] {
  const unknown: string[] = [];
  prune(value, { ...schema, 'x-kubernetes-embedded-resource': true }, '', unknown);
  return unknown;
}

/** As `pruneObject`, for a value inside an object, such as a default. */
export function pruneValue(value: unknown, schema: StructuralSchema): string[] {
  const unknown: string[] = [];
  prune(value, schema, '', unknown);
  return unknown;
}

function prune(value: unknown, schema: StructuralSchema, path: string, unknown: string[]): void {
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items) value.forEach((item, index) => prune(item, items, childPath(path, index), unknown));
    return;
  }
  if (isJsonObject(value)) pruneFields(value, schema, path, unknown);
}

function pruneFields(value: JsonObject, schema: StructuralSchema, path: string, unknown: string[]): void {
  const values = valuesSchema(schema);
  const keepsAll =
    schema['x-kubernetes-preserve-unknown-fields'] === true || schema.additionalProperties === true;
  for (const key of Object.keys(value)) {
    const property = propertyOf(schema, key) ?? values;
    const at = childPath(path, key);
    if (schema['x-kubernetes-embedded-resource'] === true && embedded.has(key)) continue;
    if (property) prune(value[key], property, at, unknown);
    else if (!keepsAll) {
      delete value[key];
      if (unknown.length < unknownFieldsMax) unknown.push(at);
    }
  }
}

export function propertyOf({ properties }: StructuralSchema, key: string): StructuralSchema | undefined {
  return properties && Object.hasOwn(properties, key) ? properties[key] : undefined;
}
