import { ExpressionError } from './admission-expression.ts';

/**
 * A JSON value as CEL sees it where no schema tells more: whole numbers are ints, and fields have the names that they
 * have.
 */
export function plainCelValue(value: unknown): unknown {
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(plainCelValue);
  if (typeof value !== 'object' || value === null) return value ?? null;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, field]) =>
      field === undefined ? [] : [[key, plainCelValue(field)]],
    ),
  );
}

/** What CEL made, as JSON has it. Throws an ExpressionError for what JSON has no form for. */
export function jsonOfCelValue(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(jsonOfCelValue);
  if (value instanceof Map)
    return Object.fromEntries([...value].map(([key, field]) => [String(key), jsonOfCelValue(field)]));
  if (typeof value !== 'object' || value === null) return value;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null)
    throw new ExpressionError('the expression made something that is no JSON');
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, jsonOfCelValue(field)]));
}
