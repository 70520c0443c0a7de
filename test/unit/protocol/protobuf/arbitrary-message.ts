import * as fc from 'fast-check';
import type { FieldRow, MessageTable } from '../../../../protocol/protobuf/message-table.ts';

type Value = fc.Arbitrary<unknown>;

/**
 * JSON of any message of the table, to `depth` messages deep, as the wire can carry it: nothing empty that JSON
 * leaves out.
 */
export function arbitraryMessage(
  { packages }: MessageTable,
  schema: string,
  depth: number,
): fc.Arbitrary<Record<string, unknown>> {
  const at = schema.lastIndexOf('.');
  return struct(schema.slice(0, at), schema.slice(at + 1), depth);

  function struct(home: string, name: string, depth: number): fc.Arbitrary<Record<string, unknown>> {
    const rows = packages[home]?.[name];
    if (!rows || rows === '[]string') throw new Error(`${home}.${name} is no struct`);
    const own = rows.filter(([, field]) => field !== '');
    const fields = own.flatMap(([, field, type]: FieldRow) => {
      const value = fieldValue(home, type, depth);
      return value ? [[field, value] as const] : [];
    });
    const inlined = rows
      .filter(([, field]) => field === '')
      .map(([, , type]) => struct(...split(home, type), depth));
    return fc
      .tuple(fc.record(Object.fromEntries(fields), { requiredKeys: [] }), ...inlined)
      .map((parts) => Object.assign({}, ...parts) as Record<string, unknown>);
  }

  function split(home: string, type: string): [string, string] {
    const dot = type.lastIndexOf('.');
    return dot < 0 ? [home, type] : [type.slice(0, dot), type.slice(dot + 1)];
  }

  function fieldValue(home: string, declared: string, depth: number): Value | undefined {
    const [, prefix = '', type = '', mark] = /^(\[\]|\{\}|)([^?]*)(\?)?$/.exec(declared) ?? [];
    const value = typeValue(home, type, depth);
    if (!value) return undefined;
    if (prefix === '[]') return fc.array(value, { minLength: 1, maxLength: 3 });
    if (prefix === '{}') return fc.dictionary(key, value, { minKeys: 1, maxKeys: 3, noNullPrototype: true });
    return mark ? value.filter((item) => item !== '' && item !== 0 && item !== false) : value;
  }

  function typeValue(home: string, type: string, depth: number): Value | undefined {
    switch (type) {
      case 'string':
        return fc.string({ unit: 'binary', maxLength: 12 });
      case 'bytes':
        return fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes).toString('base64'));
      case 'bool':
        return fc.boolean();
      case 'int32':
        return fc.integer();
      case 'int64':
        return fc.maxSafeInteger();
      default:
        return messageValue(...split(home, type), depth);
    }
  }

  function messageValue(home: string, name: string, depth: number): Value | undefined {
    switch (name) {
      case 'Time':
        return moment.map((date) => `${date.toISOString().slice(0, 19)}Z`);
      case 'MicroTime':
        return fc
          .tuple(moment, fc.nat(999_999))
          .map(([date, micros]) => `${date.toISOString().slice(0, 19)}.${String(micros).padStart(6, '0')}Z`);
      case 'Quantity':
        return fc.constantFrom('0', '500m', '64Mi', '1e3');
      case 'IntOrString':
        return fc.oneof(fc.integer(), fc.string());
      case 'FieldsV1':
      case 'RawExtension':
        return fc.dictionary(key, embeddedJson, { noNullPrototype: true, maxKeys: 3 });
      default:
        if (packages[home]?.[name] === '[]string')
          return fc.array(fc.string(), { minLength: 1, maxLength: 3 });
        return depth > 0 ? struct(home, name, depth - 1) : undefined;
    }
  }
}

/** Once written and read, so that it holds no -0. */
const embeddedJson = fc.json({ maxDepth: 1 }).map((text) => JSON.parse(text) as unknown);
const key = fc.string({ unit: 'binary', maxLength: 12 }).filter((text) => text !== '__proto__');
/** Between the years 1 and 9999, Go's zero time left out. */
const moment = fc.date({
  min: new Date('0001-01-01T00:00:01Z'),
  max: new Date('9999-12-31T23:59:59Z'),
  noInvalidDate: true,
});
