import { refOf, type Schema, type SchemaSet } from '../schema/schema.ts';

/** How a strategic merge patch treats one field. */
export interface FieldRule {
  /** Whether a list is merged with the old one instead of replacing it. */
  merges: boolean;
  /** Field that tells the objects of a list apart; undefined for a list of scalars. */
  mergeKey: string | undefined;
  /** Rules of the object, or of the list's objects. */
  inner: PatchSchema;
}

/** Rules of an object's fields; free-form objects have none, so their lists are replaced. */
export type PatchSchema = (field: string) => FieldRule;

const withoutRules: PatchSchema = () => ({ merges: false, mergeKey: undefined, inner: withoutRules });

export function patchSchema(schemas: SchemaSet, name: string | undefined): PatchSchema {
  const properties = name === undefined ? undefined : schemas[name]?.properties;
  if (!properties) return withoutRules;
  return (field) => {
    const schema = Object.hasOwn(properties, field) ? properties[field] : undefined;
    return schema ? fieldRule(schemas, schema) : withoutRules(field);
  };
}

function fieldRule(schemas: SchemaSet, schema: Schema): FieldRule {
  const strategies = schema['x-kubernetes-patch-strategy']?.split(',') ?? [];
  const element = schema.items ?? schema.additionalProperties ?? schema;
  const inner = patchSchema(schemas, refOf(element));
  return {
    merges: strategies.includes('merge'),
    mergeKey: schema['x-kubernetes-patch-merge-key'],
    // A map's keys are not fields: each of its values follows the same rules.
    inner: schema.additionalProperties ? () => ({ merges: false, mergeKey: undefined, inner }) : inner,
  };
}
