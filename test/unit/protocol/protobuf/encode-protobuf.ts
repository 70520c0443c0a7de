import type { FieldRow, MessageTable } from '../../../../protocol/protobuf/message-table.ts';
import { metaPrefix } from '../../../../protocol/schema/well-known.ts';

/** The other direction, for tests: JSON as a Kubernetes client would put it on the wire. */
export function encodeMessage(table: MessageTable, schema: string, value: Record<string, unknown>): Buffer {
  const at = schema.lastIndexOf('.');
  const home = schema.slice(0, at);
  const rows = table.packages[home]?.[schema.slice(at + 1)];
  if (rows === '[]string')
    return Buffer.concat((value as unknown as string[]).map((item) => textField(1, item)));
  if (!rows) return encodeWellKnown(schema, value);
  return Buffer.concat(rows.flatMap((row) => encodeField(row, value)));

  function encodeField([number, name, declared]: FieldRow, object: Record<string, unknown>): Buffer[] {
    const type = declared.replace(/\?$/, '');
    if (name === '') return [lengthDelimited(number, encodeMessage(table, qualified(type), object))];
    const field = object[name];
    if (field === undefined) return [];
    if (type.startsWith('[]'))
      return (field as unknown[]).map((item) => encodeValue(number, type.slice(2), item));
    if (type.startsWith('{}'))
      return Object.entries(field as object).map(([key, item]) =>
        lengthDelimited(number, Buffer.concat([textField(1, key), encodeValue(2, type.slice(2), item)])),
      );
    return [encodeValue(number, type, field)];
  }

  function qualified(type: string): string {
    return type.includes('.') ? type : `${home}.${type}`;
  }

  function encodeValue(number: number, type: string, item: unknown): Buffer {
    switch (type) {
      case 'string':
        return textField(number, item as string);
      case 'bytes':
        return lengthDelimited(number, Buffer.from(item as string, 'base64'));
      case 'bool':
        return varintField(number, item ? 1n : 0n);
      case 'int32':
      case 'int64':
        return varintField(number, BigInt(item as number));
      default:
        return lengthDelimited(
          number,
          encodeMessage(table, qualified(type), item as Record<string, unknown>),
        );
    }
  }
}

function encodeWellKnown(schema: string, value: unknown): Buffer {
  switch (schema.slice(schema.lastIndexOf('.') + 1)) {
    case 'Time':
    case 'MicroTime': {
      const [, seconds = '', micros = '0'] = /^(.*?)(?:\.(\d{6}))?Z$/.exec(value as string) ?? [];
      return Buffer.concat([
        varintField(1, BigInt(Date.parse(`${seconds}Z`) / 1000)),
        varintField(2, BigInt(micros) * 1000n),
      ]);
    }
    case 'Quantity':
      return textField(1, value as string);
    case 'IntOrString':
      return typeof value === 'number'
        ? Buffer.concat([varintField(1, 0n), varintField(2, BigInt(value)), textField(3, '')])
        : Buffer.concat([varintField(1, 1n), varintField(2, 0n), textField(3, value as string)]);
    case 'FieldsV1':
    case 'RawExtension':
      return textField(1, JSON.stringify(value));
    default:
      throw new Error(`no message ${schema}`);
  }
}

/** As clients send an object: magic bytes, its type, its message. */
export function envelope({ apiVersion = '', kind = '' }, raw: Buffer): Buffer {
  const type = Buffer.concat([textField(1, apiVersion), textField(2, kind)]);
  const rest = [lengthDelimited(2, raw), textField(3, ''), textField(4, '')];
  return Buffer.concat([Buffer.from('k8s\0'), lengthDelimited(1, type), ...rest]);
}

export function textField(number: number, text: string): Buffer {
  return lengthDelimited(number, Buffer.from(text));
}

export function lengthDelimited(number: number, bytes: Buffer): Buffer {
  return Buffer.concat([varint(BigInt(number * 8 + 2)), varint(BigInt(bytes.length)), bytes]);
}

export function varintField(number: number, value: bigint): Buffer {
  return Buffer.concat([varint(BigInt(number * 8)), varint(value)]);
}

export function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

export const objectMetaSchema = `${metaPrefix}.ObjectMeta`;
