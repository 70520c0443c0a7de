import { propertyOf } from './prune.ts';
import { isJsonObject, type StructuralSchema, valuesSchema } from './structural-schema.ts';

/**
 * Fills in, in place, what the schema has defaults for. A null where null is not allowed counts as absent if there is a
 * default for it.
 */
export function applySchemaDefaults(value: unknown, schema: StructuralSchema): void {
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items) defaultItems(value, items);
    return;
  }
  if (!isJsonObject(value)) return;
  for (const [key, property] of Object.entries(schema.properties ?? {})) {
    if (property.default === undefined) continue;
    const absent = !Object.hasOwn(value, key) || (value[key] === null && property.nullable !== true);
    if (absent) value[key] = structuredClone(property.default);
  }
  const values = valuesSchema(schema);
  for (const key of Object.keys(value)) {
    const property = propertyOf(schema, key) ?? values;
    if (!property) continue;
    if (property === values && isReplaceable(value[key], values))
      value[key] = structuredClone(values.default);
    applySchemaDefaults(value[key], property);
  }
}

function defaultItems(list: unknown[], items: StructuralSchema): void {
  list.forEach((item, index) => {
    if (isReplaceable(item, items)) list[index] = structuredClone(items.default);
    applySchemaDefaults(list[index], items);
  });
}

function isReplaceable(value: unknown, schema: StructuralSchema): boolean {
  return value === null && schema.nullable !== true && schema.default !== undefined;
}
