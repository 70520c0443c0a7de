import { canonicalQuantity, QuantityError } from '../quantity.ts';

/** Values without parts, and those that only look like it: each is read into its canonical spelling. */
export type ScalarName =
  | 'string'
  | 'bytes'
  | 'boolean'
  | 'int32'
  | 'int64'
  | 'double'
  | 'quantity'
  | 'time'
  | 'micro-time'
  | 'int-or-string';

/** `mismatch` is the JSON type found, in Go's words; `fault` a whole message. */
export type ScalarRead = { value: unknown } | { mismatch: string } | { fault: string };

const goTypes: Record<ScalarName, string> = {
  string: 'string',
  bytes: '[]uint8',
  boolean: 'bool',
  int32: 'int32',
  int64: 'int64',
  double: 'float64',
  quantity: 'resource.Quantity',
  time: 'v1.Time',
  'micro-time': 'v1.MicroTime',
  'int-or-string': 'intstr.IntOrString',
};

export function scalarGoType(scalar: ScalarName): string {
  return goTypes[scalar];
}

export function readScalar(scalar: ScalarName, value: unknown): ScalarRead {
  switch (scalar) {
    case 'string':
      return typeof value === 'string' ? { value } : { mismatch: jsonWord(value) };
    case 'bytes':
      return typeof value === 'string' ? readBase64(value) : { mismatch: jsonWord(value) };
    case 'boolean':
      return typeof value === 'boolean' ? { value } : { mismatch: jsonWord(value) };
    case 'int32':
      return readInteger(value, 2 ** 31);
    case 'int64':
      return readInteger(value, 2 ** 63);
    case 'double':
      return typeof value === 'number' ? { value } : { mismatch: jsonWord(value) };
    case 'quantity':
      return readQuantity(value);
    case 'time':
      return readTime(value, 'seconds');
    case 'micro-time':
      return readTime(value, 'microseconds');
    case 'int-or-string':
      if (typeof value === 'string') return { value };
      return typeof value === 'number'
        ? readInteger(value, 2 ** 31)
        : { fault: `json: cannot unmarshal ${jsonWord(value)} into Go value of type int32` };
    default:
      return scalar satisfies never;
  }
}

function readInteger(value: unknown, bound: number): ScalarRead {
  if (typeof value !== 'number') return { mismatch: jsonWord(value) };
  if (Number.isInteger(value) && value >= -bound && value < bound) return { value };
  return { mismatch: `number ${value}` };
}

function readQuantity(value: unknown): ScalarRead {
  if (typeof value !== 'string' && typeof value !== 'number') return { mismatch: jsonWord(value) };
  try {
    return { value: canonicalQuantity(String(value).trim()) };
  } catch (error) {
    if (error instanceof QuantityError) return { fault: error.message };
    throw error;
  }
}

const rfc3339 = /^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}:\d{2})(?:[.,](\d+))?(Z|[+-]\d{2}:\d{2})$/;

/** Moments are kept in UTC, as they leave the API. */
function readTime(value: unknown, precision: 'seconds' | 'microseconds'): ScalarRead {
  if (typeof value !== 'string') return { mismatch: jsonWord(value) };
  const [, date, time, fraction = '', zone] = rfc3339.exec(value) ?? [];
  const at = Date.parse(`${date}T${time}${zone}`);
  if (date === undefined || Number.isNaN(at)) {
    const layout = precision === 'seconds' ? '2006-01-02T15:04:05Z07:00' : '2006-01-02T15:04:05.000000Z07:00';
    return {
      fault: `parsing time ${JSON.stringify(value)} as "${layout}": cannot parse ${JSON.stringify(value)}`,
    };
  }
  const seconds = new Date(at).toISOString().slice(0, -'.000Z'.length);
  if (precision === 'seconds') return { value: `${seconds}Z` };
  return { value: `${seconds}.${fraction.slice(0, 6).padEnd(6, '0')}Z` };
}

/** Line breaks are allowed, as in Go. */
function readBase64(value: string): ScalarRead {
  const text = /[\r\n]/.test(value) ? value.replaceAll(/[\r\n]/g, '') : value;
  const end = text.search(/[^A-Za-z0-9+/]|$/);
  const padding = text.slice(end);
  const complete = text.length % 4 === 0 && (padding === '' || padding === '=' || padding === '==');
  return complete ? { value: text } : { fault: `illegal base64 data at input byte ${end}` };
}

/** The JSON type of a value, in Go's words. */
export function jsonWord(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}
