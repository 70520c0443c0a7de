import { duplicate, invalid, required, sameValue } from '../kinds/cause.ts';
import type { CauseType, StatusCause } from '../status.ts';
import { fitsFormat } from './formats.ts';
import { compileGoPattern } from './go-pattern.ts';
import { propertyOf } from './prune.ts';
import {
  childPath,
  isJsonObject,
  type JsonObject,
  type StructuralSchema,
  valuesSchema,
} from './structural-schema.ts';

/**
 * What is wrong with a value by its schema, in Kubernetes' words (source: k8s.io/kube-openapi/pkg/validation,
 * k8s.io/apiextensions-apiserver/pkg/apiserver/validation). CEL rules are not looked at.
 */
export function validateValue(value: unknown, schema: StructuralSchema, path: string): StatusCause[] {
  if (value === null && schema.nullable === true) return [];
  if (!fitsType(value, schema)) return [wrongType(value, schema, path)];
  const causes: StatusCause[] = [
    ...(schema.enum ? validateEnum(value, schema.enum, path) : []),
    ...validateCombined(value, schema, path),
  ];
  if (typeof value === 'string') causes.push(...validateString(value, schema, path));
  else if (typeof value === 'number') causes.push(...validateNumber(value, schema, path));
  else if (Array.isArray(value)) causes.push(...validateList(value, schema, path));
  else if (isJsonObject(value)) causes.push(...validateObject(value, schema, path));
  return causes;
}

/** As Go's OpenAPI library names it. */
export function jsonTypeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

function fitsType(value: unknown, schema: StructuralSchema): boolean {
  const found = jsonTypeOf(value);
  if (schema['x-kubernetes-int-or-string'] === true) return found === 'integer' || found === 'string';
  const { type } = schema;
  return type === undefined || type === '' || found === type || (type === 'number' && found === 'integer');
}

function wrongType(value: unknown, schema: StructuralSchema, path: string): StatusCause {
  const type = schema['x-kubernetes-int-or-string'] === true ? 'integer,string' : (schema.type ?? '');
  const found = jsonTypeOf(value);
  const detail = `${subject(path)} must be of type ${type}: ${JSON.stringify(found)}`;
  return cause('FieldValueTypeInvalid', path, `Invalid value: ${JSON.stringify(found)}: ${detail}`);
}

function subject(path: string): string {
  return path === '' ? 'in body' : `${path} in body`;
}

function wrong(path: string, value: unknown, detail: string): StatusCause {
  return invalid(path, value, `${subject(path)} ${detail}`);
}

function cause(reason: CauseType, path: string, message: string): StatusCause {
  return { reason, field: path, message };
}

function validateEnum(value: unknown, allowed: readonly unknown[], path: string): StatusCause[] {
  if (allowed.some((one) => sameValue(one, value))) return [];
  const shown = allowed.map((one) => JSON.stringify(one)).join(', ');
  const message = `Unsupported value: ${JSON.stringify(value)}: supported values: ${shown}`;
  return [cause('FieldValueNotSupported', path, message)];
}

function validateString(value: string, schema: StructuralSchema, path: string): StatusCause[] {
  const { maxLength, minLength, pattern, format } = schema;
  const causes: StatusCause[] = [];
  const length = maxLength === undefined && minLength === undefined ? 0 : Array.from(value).length;
  if (maxLength !== undefined && length > maxLength)
    causes.push(cause('FieldValueTooLong', path, `Too long: may not be more than ${maxLength} bytes`));
  if (minLength !== undefined && length < minLength)
    causes.push(wrong(path, value, `should be at least ${minLength} chars long`));
  if (pattern !== undefined && !compileGoPattern(pattern).test(value))
    causes.push(wrong(path, value, `should match '${pattern}'`));
  if (format !== undefined && !fitsFormat(value, format))
    causes.push(wrong(path, value, `must be of type ${format}: ${JSON.stringify(value)}`));
  return causes;
}

function validateNumber(value: number, schema: StructuralSchema, path: string): StatusCause[] {
  const { maximum, minimum, exclusiveMaximum, exclusiveMinimum, multipleOf, format } = schema;
  const causes: StatusCause[] = [];
  if (maximum !== undefined && (value > maximum || (exclusiveMaximum === true && value === maximum)))
    causes.push(
      wrong(path, value, `should be less than ${exclusiveMaximum === true ? '' : 'or equal to '}${maximum}`),
    );
  if (minimum !== undefined && (value < minimum || (exclusiveMinimum === true && value === minimum)))
    causes.push(
      wrong(
        path,
        value,
        `should be greater than ${exclusiveMinimum === true ? '' : 'or equal to '}${minimum}`,
      ),
    );
  if (multipleOf !== undefined && !isMultiple(value, multipleOf))
    causes.push(wrong(path, value, `should be a multiple of ${multipleOf}`));
  if (format === 'int32' && schema.type === 'integer' && Math.abs(value + 0.5) > 2 ** 31)
    causes.push(wrong(path, value, 'must be of type int32'));
  return causes;
}

function isMultiple(value: number, of: number): boolean {
  const times = value / of;
  return Math.abs(times - Math.round(times)) < 1e-9 * Math.max(1, Math.abs(times));
}

function tooMany(path: string, count: number, most: number): StatusCause {
  return cause('FieldValueTooMany', path, `Too many: ${count}: must have at most ${most} items`);
}

function validateList(list: readonly unknown[], schema: StructuralSchema, path: string): StatusCause[] {
  const { maxItems, minItems, items } = schema;
  const causes: StatusCause[] = [];
  if (maxItems !== undefined && list.length > maxItems) return [tooMany(path, list.length, maxItems)];
  if (minItems !== undefined && list.length < minItems)
    causes.push(wrong(path, list.length, `should have at least ${minItems} items`));
  if (items)
    list.forEach((item, index) => causes.push(...validateValue(item, items, childPath(path, index))));
  return [...causes, ...validateListType(list, schema, path)];
}

/** Items of a set, and keys of a list that is a map, occur once. */
function validateListType(list: readonly unknown[], schema: StructuralSchema, path: string): StatusCause[] {
  const type = schema['x-kubernetes-list-type'];
  if (type !== 'set' && type !== 'map') return [];
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  const seen = new Set<string>();
  return list.flatMap((item, index) => {
    const identity = type === 'set' ? item : keysOf(item, keys, schema.items);
    const text = JSON.stringify(identity);
    if (seen.has(text)) return [duplicate(childPath(path, index), identity)];
    seen.add(text);
    return [];
  });
}

/** What a list's item is found by; undefined without any of its keys. */
export function keysOf(item: unknown, keys: readonly string[], items: StructuralSchema = {}): JsonObject {
  if (!isJsonObject(item)) return {};
  return Object.fromEntries(
    keys.toSorted().flatMap((key) => {
      const value = item[key] ?? propertyOf(items, key)?.default;
      return value === undefined ? [] : [[key, value]];
    }),
  );
}

function validateObject(value: JsonObject, schema: StructuralSchema, path: string): StatusCause[] {
  const { maxProperties, minProperties } = schema;
  const keys = Object.keys(value);
  const causes: StatusCause[] = [];
  if (maxProperties !== undefined && keys.length > maxProperties)
    return [tooMany(path, keys.length, maxProperties)];
  if (minProperties !== undefined && keys.length < minProperties)
    causes.push(wrong(path, keys.length, `should have at least ${minProperties} properties`));
  for (const key of schema.required ?? [])
    if (!Object.hasOwn(value, key)) causes.push(required(childPath(path, key)));
  const values = valuesSchema(schema);
  for (const key of keys) {
    const property = propertyOf(schema, key) ?? values;
    if (property) causes.push(...validateValue(value[key], property, childPath(path, key)));
  }
  return [
    ...causes,
    ...(schema['x-kubernetes-embedded-resource'] === true ? validateEmbedded(value, path) : []),
  ];
}

function validateEmbedded(value: JsonObject, path: string): StatusCause[] {
  return ['apiVersion', 'kind'].flatMap((key) => {
    const field = childPath(path, key);
    const text = value[key];
    if (text === undefined || text === '') return [required(field, 'must not be empty')];
    return typeof text === 'string' ? [] : [wrongType(text, { type: 'string' }, field)];
  });
}

function validateCombined(value: unknown, schema: StructuralSchema, path: string): StatusCause[] {
  const { allOf = [], anyOf = [], oneOf = [], not } = schema;
  const causes = allOf.flatMap((part) => validateValue(value, part, path));
  if (causes.length > 0) causes.push(wrong(path, value, 'must validate all the schemas (allOf)'));
  if (anyOf.length > 0) {
    const found = anyOf.map((part) => validateValue(value, part, path));
    if (found.every((faults) => faults.length > 0)) {
      causes.push(wrong(path, value, 'must validate at least one schema (anyOf)'), ...leastFaults(found));
    }
  }
  if (oneOf.length > 0) {
    const found = oneOf.map((part) => validateValue(value, part, path));
    const fitting = found.filter((faults) => faults.length === 0).length;
    if (fitting !== 1) {
      const count = fitting === 0 ? 'none valid' : 'more than one valid';
      causes.push(wrong(path, value, `must validate one and only one schema (oneOf). Found ${count}`));
      if (fitting === 0) causes.push(...leastFaults(found));
    }
  }
  if (not && validateValue(value, not, path).length === 0)
    causes.push(wrong(path, value, 'must not validate the schema (not)'));
  return causes;
}

/** The faults of the alternative that the value comes closest to. */
function leastFaults(found: readonly StatusCause[][]): StatusCause[] {
  return [...found].sort((a, b) => a.length - b.length)[0] ?? [];
}
