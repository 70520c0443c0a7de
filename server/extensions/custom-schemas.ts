import type {
  CustomResourceDefinition,
  CustomResourceDefinitionVersion,
} from '../../protocol/generated/models.ts';
import { schemaOfVersion } from '../../protocol/kinds/custom-resource-definition.ts';
import { compileFieldSchemas, type FieldSchema } from '../../protocol/patch/field-schema.ts';
import { refTo, type Schema, type SchemaSet } from '../../protocol/schema/schema.ts';
import { schemas } from '../../protocol/schema/schemas.ts';
import { metaPrefix } from '../../protocol/schema/well-known.ts';
import { isJsonObject, type StructuralSchema } from '../../protocol/structural/structural-schema.ts';

/** `com.example.stable.v1.CronTab`, as Kubernetes names the schemas of custom kinds. */
export function customSchemaName({ spec }: CustomResourceDefinition, version: string): string {
  return `${spec.group.split('.').reverse().join('.')}.${version}.${spec.names.kind}`;
}

/** What OpenAPI says of a custom kind and of its lists. */
export function customSchemas(
  definition: CustomResourceDefinition,
  version: string,
  schema: StructuralSchema,
): SchemaSet {
  const { group, names } = definition.spec;
  const name = customSchemaName(definition, version);
  const { kind, listKind = `${kind}List` } = names;
  const gvk = (of: string) => ({ 'x-kubernetes-group-version-kind': [{ group, version, kind: of }] });
  const published = publishedSchema(schema);
  return {
    [name]: {
      ...published,
      properties: { ...typeFields, ...published.properties, ...metadataField('ObjectMeta') },
      ...gvk(kind),
    },
    [`${name}List`]: {
      description: `${listKind} is a list of ${kind}`,
      type: 'object',
      required: ['items'],
      properties: {
        ...typeFields,
        items: {
          description: `List of ${names.plural}.`,
          type: 'array',
          items: { $ref: refTo(name) },
        },
        ...metadataField('ListMeta'),
      },
      ...gvk(listKind),
    },
  };
}

/** Which fields of a version are owned one by one. */
export function customFields(
  definition: CustomResourceDefinition,
  version: CustomResourceDefinitionVersion,
): FieldSchema {
  const own = customSchemas(definition, version.name, schemaOfVersion(version));
  return compileFieldSchemas({ ...schemas, ...own })(customSchemaName(definition, version.name));
}

const typeFields: Record<string, Schema> = {
  apiVersion: { type: 'string', description: 'The version of the schema of this object: group/version.' },
  kind: { type: 'string', description: 'The kind of this object.' },
};

function metadataField(type: 'ObjectMeta' | 'ListMeta'): Record<string, Schema> {
  return {
    metadata: {
      description: type === 'ObjectMeta' ? "Standard object's metadata." : 'Standard list metadata.',
      allOf: [{ $ref: refTo(`${metaPrefix}.${type}`) }],
    },
  };
}

/** The schema as it goes into OpenAPI; `additionalProperties: true` says nothing there. */
function publishedSchema(schema: StructuralSchema): Schema {
  const copy = structuredClone(schema);
  tidy(copy);
  return copy as Schema;
}

function tidy(schema: StructuralSchema): void {
  if (typeof schema.additionalProperties === 'boolean') delete schema.additionalProperties;
  const { properties = {}, items, additionalProperties } = schema;
  for (const part of [...Object.values(properties), items, additionalProperties])
    if (isJsonObject(part)) tidy(part);
}
