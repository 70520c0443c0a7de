import { invalid } from '../kinds/cause.ts';
import type { StatusCause } from '../status.ts';
import { isJsonObject } from './structural-schema.ts';

/** What the keywords of a schema must be. The decoder does not look into `items` and `additionalProperties`. */
type Shape =
  | 'string'
  | 'number'
  | 'boolean'
  | 'strings'
  | 'list'
  | 'schema'
  | 'schemas'
  | 'map'
  | 'open'
  | 'rules';

const shapes: Readonly<Record<string, Shape>> = {
  type: 'string',
  format: 'string',
  title: 'string',
  description: 'string',
  pattern: 'string',
  nullable: 'boolean',
  uniqueItems: 'boolean',
  exclusiveMaximum: 'boolean',
  exclusiveMinimum: 'boolean',
  maximum: 'number',
  minimum: 'number',
  multipleOf: 'number',
  maxLength: 'number',
  minLength: 'number',
  maxItems: 'number',
  minItems: 'number',
  maxProperties: 'number',
  minProperties: 'number',
  enum: 'list',
  required: 'strings',
  items: 'schema',
  not: 'schema',
  allOf: 'schemas',
  anyOf: 'schemas',
  oneOf: 'schemas',
  properties: 'map',
  additionalProperties: 'open',
  'x-kubernetes-preserve-unknown-fields': 'boolean',
  'x-kubernetes-embedded-resource': 'boolean',
  'x-kubernetes-int-or-string': 'boolean',
  'x-kubernetes-list-type': 'string',
  'x-kubernetes-list-map-keys': 'strings',
  'x-kubernetes-map-type': 'string',
  'x-kubernetes-validations': 'rules',
};

/** Deeper schemas are refused whole. */
const depthMax = 128;

/** Keywords of a wrong type, anywhere in a schema. */
export function validateSchemaShape(schema: unknown, path: string, depth = 0): StatusCause[] {
  if (!isJsonObject(schema) || depth > depthMax) return [invalid(path, schema, 'must be a schema')];
  return Object.entries(schema).flatMap(([key, value]) => {
    const shape = Object.hasOwn(shapes, key) ? shapes[key] : undefined;
    return shape === undefined
      ? []
      : validateKeyword(value, { shape, path: `${path}.${key}`, depth: depth + 1 });
  });
}

interface Keyword {
  shape: Shape;
  path: string;
  depth: number;
}

function validateKeyword(value: unknown, { shape, path, depth }: Keyword): StatusCause[] {
  switch (shape) {
    case 'string':
    case 'number':
    case 'boolean':
      return typeof value === shape ? [] : [invalid(path, value, `must be a ${shape}`)];
    case 'list':
      return Array.isArray(value) ? [] : [invalid(path, value, 'must be a list')];
    case 'strings':
      return isListOf(value, (item) => typeof item === 'string')
        ? []
        : [invalid(path, value, 'must be a list of strings')];
    case 'rules':
      return isListOf(value, isRule) ? [] : [invalid(path, value, 'must be a list of rules')];
    case 'schema':
      return validateSchemaShape(value, path, depth);
    case 'open':
      return typeof value === 'boolean' ? [] : validateSchemaShape(value, path, depth);
    case 'schemas':
      if (!Array.isArray(value)) return [invalid(path, value, 'must be a list of schemas')];
      return value.flatMap((part, index) => validateSchemaShape(part, `${path}[${index}]`, depth));
    case 'map':
      if (!isJsonObject(value)) return [invalid(path, value, 'must be an object')];
      return Object.entries(value).flatMap(([key, part]) =>
        validateSchemaShape(part, `${path}[${key}]`, depth),
      );
    default:
      return shape satisfies never;
  }
}

function isListOf(value: unknown, holds: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(holds);
}

function isRule(item: unknown): boolean {
  if (!isJsonObject(item)) return false;
  const { rule, message, messageExpression, reason, fieldPath, optionalOldSelf } = item;
  const texts = [message, messageExpression, reason, fieldPath];
  return (
    typeof rule === 'string' &&
    texts.every((text) => text === undefined || typeof text === 'string') &&
    (optionalOldSelf === undefined || typeof optionalOldSelf === 'boolean')
  );
}
