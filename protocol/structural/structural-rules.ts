import { createTimeBound, TimeBoundError } from '../../lib/time-bound.ts';
import { forbidden, invalid, notSupported, required } from '../kinds/cause.ts';
import type { StatusCause } from '../status.ts';
import { applySchemaDefaults } from './apply-defaults.ts';
import { compileGoPattern } from './go-pattern.ts';
import { pruneValue } from './prune.ts';
import { validateSchemaShape } from './schema-shape.ts';
import { isJsonObject, type StructuralSchema } from './structural-schema.ts';
import { validateValue } from './validate-value.ts';

/** For one schema with its defaults. */
const validationMsMax = 1000;
/** Deeper than any schema a person writes. */
const depthMax = 128;
const types = ['array', 'boolean', 'integer', 'number', 'object', 'string'];

/**
 * What keeps a schema from being structural, in Kubernetes' words
 * (source: k8s.io/apiextensions-apiserver/pkg/apiserver/schema and …/apis/apiextensions/validation).
 */
export function validateStructure(schema: StructuralSchema, path: string): StatusCause[] {
  const misshapen = validateSchemaShape(schema, path);
  if (misshapen.length > 0) return misshapen;
  const causes = validateWithin(() => validateLevel(schema, { path, level: 'root', depth: 0 }), path);
  if (schema.type !== 'object' && schema.type !== undefined)
    causes.push(invalid(`${path}.type`, schema.type, 'must be object at the root'));
  if (schema.nullable === true)
    causes.push(forbidden(`${path}.nullable`, 'nullable cannot be true at the root'));
  return [...causes, ...validateRootMetadata(schema, path)];
}

/** Defaults are held against patterns, which may backtrack for ever. */
function validateWithin(validate: () => StatusCause[], path: string): StatusCause[] {
  try {
    return createTimeBound().run(validate, validationMsMax);
  } catch (error) {
    if (error instanceof TimeBoundError) return [forbidden(path, 'the schema takes too long to check')];
    throw error;
  }
}

interface Place {
  path: string;
  level: 'root' | 'field' | 'item';
  depth: number;
}

function validateLevel(schema: StructuralSchema, place: Place): StatusCause[] {
  const { path, depth } = place;
  if (depth > depthMax) return [forbidden(path, 'the schema is nested too deeply')];
  return [
    ...validateUnsupported(schema, path),
    ...validateType(schema, place),
    ...validateExtensions(schema, path),
    ...validateLists(schema, path),
    ...validatePattern(schema, path),
    ...validateChildren(schema, place),
    ...(schema.default === undefined ? [] : validateDefault(schema, place)),
    ...logicalParts(schema, path).flatMap(([part, at]) =>
      validateLogical(part, { at, beside: schema, depth }),
    ),
  ];
}

const unsupported = [
  '$ref',
  '$schema',
  'id',
  'definitions',
  'dependencies',
  'patternProperties',
  'additionalItems',
];

function validateUnsupported(schema: StructuralSchema, path: string): StatusCause[] {
  const causes = unsupported
    .filter((key) => Object.hasOwn(schema, key))
    .map((key) => forbidden(`${path}.${key}`, `${key} is not supported`));
  if (schema.uniqueItems === true)
    causes.push(
      forbidden(
        `${path}.uniqueItems`,
        'uniqueItems cannot be set to true since the runtime complexity becomes quadratic',
      ),
    );
  if (schema.additionalProperties === false)
    causes.push(forbidden(`${path}.additionalProperties`, 'additionalProperties cannot be set to false'));
  if (schema.additionalProperties !== undefined && schema.properties)
    causes.push(
      forbidden(`${path}.additionalProperties`, 'additionalProperties and properties are mutual exclusive'),
    );
  if (Array.isArray(schema.items))
    causes.push(forbidden(`${path}.items`, 'items must be a schema object and not an array'));
  return causes;
}

function validateType(schema: StructuralSchema, { path, level }: Place): StatusCause[] {
  const { type = '' } = schema;
  const field = `${path}.type`;
  if (schema['x-kubernetes-int-or-string'] === true)
    return type === '' ? [] : [forbidden(field, 'must be empty if x-kubernetes-int-or-string is true')];
  if (type !== '') return types.includes(type) ? [] : [notSupported(field, type, types)];
  if (schema['x-kubernetes-preserve-unknown-fields'] === true && level !== 'root') return [];
  const where = {
    root: 'at the root',
    field: 'for specified object fields',
    item: 'for specified array items',
  };
  return [required(field, `must not be empty ${where[level]}`)];
}

function validateExtensions(schema: StructuralSchema, path: string): StatusCause[] {
  const causes: StatusCause[] = [];
  if (schema['x-kubernetes-preserve-unknown-fields'] === false)
    causes.push(invalid(`${path}.x-kubernetes-preserve-unknown-fields`, false, 'must be true or undefined'));
  if (schema['x-kubernetes-embedded-resource'] === true) {
    if (schema.type !== 'object')
      causes.push(
        invalid(
          `${path}.type`,
          schema.type ?? '',
          'must be object if x-kubernetes-embedded-resource is true',
        ),
      );
    if (!schema.properties && schema['x-kubernetes-preserve-unknown-fields'] !== true)
      causes.push(
        required(
          `${path}.properties`,
          'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields',
        ),
      );
  }
  return causes;
}

function validateLists(schema: StructuralSchema, path: string): StatusCause[] {
  const type = schema['x-kubernetes-list-type'];
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  const causes: StatusCause[] = [];
  const mapType = schema['x-kubernetes-map-type'];
  if (mapType !== undefined && mapType !== 'atomic' && mapType !== 'granular')
    causes.push(notSupported(`${path}.x-kubernetes-map-type`, mapType, ['atomic', 'granular']));
  if (type === undefined) {
    if (keys.length > 0)
      causes.push(
        forbidden(`${path}.x-kubernetes-list-map-keys`, 'must be empty if x-kubernetes-list-type is not map'),
      );
    return causes;
  }
  if (!['atomic', 'set', 'map'].includes(type))
    return [...causes, notSupported(`${path}.x-kubernetes-list-type`, type, ['atomic', 'map', 'set'])];
  if (schema.type !== 'array')
    causes.push(
      invalid(`${path}.type`, schema.type ?? '', 'must be array if x-kubernetes-list-type is specified'),
    );
  return type === 'map' ? [...causes, ...validateMapKeys(schema, keys, path)] : causes;
}

function validateMapKeys({ items }: StructuralSchema, keys: readonly string[], path: string): StatusCause[] {
  const field = `${path}.x-kubernetes-list-map-keys`;
  if (keys.length === 0) return [required(field, 'must not be empty if x-kubernetes-list-type is map')];
  if (items?.type !== 'object')
    return [
      invalid(
        `${path}.items.type`,
        items?.type ?? '',
        "must be object if parent array's x-kubernetes-list-type is map",
      ),
    ];
  return keys.flatMap((key, index) => {
    const property = items.properties?.[key];
    if (!property) return [invalid(`${field}[${index}]`, key, 'must be a property of the items')];
    if (property.type === 'array' || property.type === 'object')
      return [
        invalid(
          `${path}.items.properties[${key}].type`,
          property.type,
          "must be a scalar type if parent array's x-kubernetes-list-type is map",
        ),
      ];
    if (items.required?.includes(key) || property.default !== undefined) return [];
    return [
      required(
        `${path}.items.properties[${key}].default`,
        'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property',
      ),
    ];
  });
}

function validatePattern({ pattern }: StructuralSchema, path: string): StatusCause[] {
  if (pattern === undefined) return [];
  try {
    compileGoPattern(pattern);
    return [];
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    return [invalid(`${path}.pattern`, pattern, `must be a valid regular expression, but isn't: ${words}`)];
  }
}

function validateChildren(schema: StructuralSchema, { path, depth }: Place): StatusCause[] {
  const { properties, items, additionalProperties } = schema;
  const below = depth + 1;
  const causes = Object.entries(properties ?? {}).flatMap(([key, property]) =>
    validateLevel(property, { path: `${path}.properties[${key}]`, level: 'field', depth: below }),
  );
  if (isJsonObject(items))
    causes.push(...validateLevel(items, { path: `${path}.items`, level: 'item', depth: below }));
  else if (schema.type === 'array' && items === undefined)
    causes.push(required(`${path}.items`, 'must be specified'));
  if (isJsonObject(additionalProperties))
    causes.push(
      ...validateLevel(additionalProperties, {
        path: `${path}.additionalProperties`,
        level: 'field',
        depth: below,
      }),
    );
  return causes;
}

function validateDefault(schema: StructuralSchema, { path, level }: Place): StatusCause[] {
  const field = `${path}.default`;
  if (level === 'root') return [forbidden(field, 'must not be set')];
  const value = structuredClone(schema.default);
  applySchemaDefaults(value, schema);
  const unknown = pruneValue(value, schema);
  if (unknown.length > 0) return [invalid(field, schema.default, 'must not have unknown fields')];
  return validateValue(value, schema, field);
}

function logicalParts(
  { allOf, anyOf, oneOf, not }: StructuralSchema,
  path: string,
): [StructuralSchema, string][] {
  const listed = Object.entries({ allOf, anyOf, oneOf }).flatMap(([name, parts = []]) =>
    parts.map((part, index): [StructuralSchema, string] => [part, `${path}.${name}[${index}]`]),
  );
  return not ? [...listed, [not, `${path}.not`]] : listed;
}

const notInLogical = [
  'description',
  'title',
  'type',
  'default',
  'additionalProperties',
  'nullable',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-embedded-resource',
  'x-kubernetes-int-or-string',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-map-type',
];

interface Logical {
  at: string;
  /** The schema of the same value outside allOf, anyOf, oneOf and not. */
  beside: StructuralSchema;
  depth: number;
}

/** Alternatives may only restrict what is specified outside them. */
function validateLogical(part: StructuralSchema, { at, beside, depth }: Logical): StatusCause[] {
  if (depth > depthMax) return [forbidden(at, 'the schema is nested too deeply')];
  const isIntOrString = beside['x-kubernetes-int-or-string'] === true;
  const causes = notInLogical
    .filter((key) => Object.hasOwn(part, key) && !(key === 'type' && isIntOrString))
    .map((key) => forbidden(`${at}.${key}`, 'must be empty to be structural'));
  causes.push(...validatePattern(part, at));
  for (const [key, property] of Object.entries(part.properties ?? {})) {
    const known = beside.properties?.[key];
    const open = beside['x-kubernetes-preserve-unknown-fields'] === true;
    if (!known && !open)
      causes.push(
        required(
          `${at.replace(/\.(?:allOf|anyOf|oneOf)\[\d+\]$|\.not$/, '')}.properties[${key}]`,
          `because it is defined in ${at}.properties[${key}]`,
        ),
      );
    causes.push(
      ...validateLogical(property, { at: `${at}.properties[${key}]`, beside: known ?? {}, depth: depth + 1 }),
    );
  }
  if (isJsonObject(part.items))
    causes.push(
      ...validateLogical(part.items, { at: `${at}.items`, beside: beside.items ?? {}, depth: depth + 1 }),
    );
  for (const [inner, path] of logicalParts(part, at))
    causes.push(...validateLogical(inner, { at: path, beside, depth: depth + 1 }));
  return causes;
}

function validateRootMetadata({ properties }: StructuralSchema, path: string): StatusCause[] {
  const metadata = properties?.metadata;
  if (!metadata) return [];
  const { type: _type, description: _description, properties: fields = {}, ...others } = metadata;
  const extra = Object.keys(fields).filter((key) => key !== 'name' && key !== 'generateName');
  if (extra.length === 0 && Object.keys(others).length === 0) return [];
  const detail =
    'must not specify anything other than name and generateName, but metadata is implicitly specified';
  return [forbidden(`${path}.properties[metadata]`, detail)];
}
