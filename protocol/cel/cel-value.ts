import { propertyOf } from '../structural/prune.ts';
import { isJsonObject, type StructuralSchema, valuesSchema } from '../structural/structural-schema.ts';
import { keysOf } from '../structural/validate-value.ts';

/**
 * A JSON value as CEL sees it by its schema: integers are ints, strings of the formats date-time, date and duration are
 * what they say, and fields whose names are words of CEL's own are spelt with underscores.
 */
export function celValueOf(value: unknown, schema: StructuralSchema): unknown {
  if (typeof value === 'number') return isIntegral(value, schema) ? BigInt(value) : value;
  if (typeof value === 'string') return celString(value, schema);
  if (Array.isArray(value)) return value.map((item) => celValueOf(item, schema.items ?? {}));
  if (!isJsonObject(value)) return value;
  const values = valuesSchema(schema);
  const isMap = values !== undefined || schema.additionalProperties === true;
  return Object.fromEntries(
    Object.entries(value).map(([key, field]) => [
      isMap ? key : escapeFieldName(key),
      celValueOf(field, propertyOf(schema, key) ?? values ?? {}),
    ]),
  );
}

function isIntegral(value: number, schema: StructuralSchema): boolean {
  if (!Number.isInteger(value)) return false;
  return (
    schema.type === 'integer' || schema['x-kubernetes-int-or-string'] === true || schema.type === undefined
  );
}

function celString(value: string, { format }: StructuralSchema): unknown {
  if (format !== 'date-time' && format !== 'date') return value;
  const at = new Date(value);
  return Number.isNaN(at.getTime()) ? value : at;
}

const reservedWords = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(
    ' ',
  ),
);

/** Source: k8s.io/apiserver/pkg/cel, Escape. */
export function escapeFieldName(name: string): string {
  if (reservedWords.has(name)) return `__${name}__`;
  if (!/__|[.\-/]/.test(name)) return name;
  const spelt: Record<string, string> = {
    __: '__underscores__',
    '.': '__dot__',
    '-': '__dash__',
    '/': '__slash__',
  };
  return name.replaceAll(/__|[.\-/]/g, (found) => spelt[found] ?? found);
}

/** The item of a keyed list that was `item` before; undefined when it is new. */
export function itemBefore(item: unknown, old: unknown, { items, ...schema }: StructuralSchema): unknown {
  const keys = schema['x-kubernetes-list-map-keys'];
  if (schema['x-kubernetes-list-type'] !== 'map' || !keys || !Array.isArray(old)) return undefined;
  const identity = JSON.stringify(keysOf(item, keys, items));
  return old.find((other) => JSON.stringify(keysOf(other, keys, items)) === identity);
}
