import type { CauseType, StatusCause } from '../status.ts';

/**
 * Why a field was refused, in the words that Kubernetes clients know
 * (source: k8s.io/apimachinery/pkg/util/validation/field).
 */
export function required(field: string, detail = ''): StatusCause {
  return cause('FieldValueRequired', field, detail === '' ? 'Required value' : `Required value: ${detail}`);
}

export function invalid(field: string, value: unknown, detail: string): StatusCause {
  return cause('FieldValueInvalid', field, `Invalid value: ${shown(value)}: ${detail}`);
}

export function notSupported(field: string, value: unknown, supported: readonly string[]): StatusCause {
  const values = supported.map((one) => JSON.stringify(one)).join(', ');
  const message = `Unsupported value: ${shown(value)}: supported values: ${values}`;
  return cause('FieldValueNotSupported', field, message);
}

export function forbidden(field: string, detail: string): StatusCause {
  return cause('FieldValueForbidden', field, `Forbidden: ${detail}`);
}

export function duplicate(field: string, value: unknown, detail = ''): StatusCause {
  const why = detail === '' ? '' : `: ${detail}`;
  return cause('FieldValueDuplicate', field, `Duplicate value: ${shown(value)}${why}`);
}

export function notFound(field: string, value: unknown, detail = ''): StatusCause {
  const why = detail === '' ? '' : `: ${detail}`;
  return cause('FieldValueNotFound', field, `Not found: ${shown(value)}${why}`);
}

export function tooLong(field: string, bytesMax: number): StatusCause {
  return cause('FieldValueTooLong', field, `Too long: may not be more than ${bytesMax} bytes`);
}

export function tooMany(field: string, count: number, countMax: number): StatusCause {
  const items = countMax === 1 ? 'item' : 'items';
  return cause('FieldValueTooMany', field, `Too many: ${count}: must have at most ${countMax} ${items}`);
}

/** One Invalid cause for each of the faults found in a value. */
export function invalidFor(field: string, value: unknown, faults: readonly string[]): StatusCause[] {
  return faults.map((fault) => invalid(field, value, fault));
}

/** Required when '', not supported when not in the list. */
export function oneOf(field: string, value: string | undefined, supported: readonly string[]): StatusCause[] {
  if (value === undefined || value === '') return [required(field)];
  return supported.includes(value) ? [] : [notSupported(field, value, supported)];
}

/** As `oneOf`, for a field that may be absent. */
export function optionalOneOf(
  field: string,
  value: string | undefined,
  supported: readonly string[],
): StatusCause[] {
  return value === undefined ? [] : oneOf(field, value, supported);
}

export function nonNegative(field: string, value: number | undefined): StatusCause[] {
  if (value === undefined || value >= 0) return [];
  return [invalid(field, value, 'must be greater than or equal to 0')];
}

/** `next` and `old` are compared as JSON. */
export function immutable(field: string, next: unknown, old: unknown): StatusCause[] {
  return sameValue(next, old) ? [] : [invalid(field, next, 'field is immutable')];
}

/** Whether two JSON values are the same; the order of an object's keys does not count. */
export function sameValue(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((value, index) => sameValue(value, b[index]));
  }
  const keys = definedKeys(a);
  return (
    keys.length === definedKeys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && sameValue(valueOf(a, key), valueOf(b, key)))
  );
}

function definedKeys(value: object): string[] {
  return Object.keys(value).filter((key) => valueOf(value, key) !== undefined);
}

function valueOf(value: object, key: string): unknown {
  return (value as Record<string, unknown>)[key];
}

function shown(value: unknown): string {
  return value === undefined ? 'null' : JSON.stringify(value);
}

function cause(reason: CauseType, field: string, message: string): StatusCause {
  return { reason, field, message };
}
