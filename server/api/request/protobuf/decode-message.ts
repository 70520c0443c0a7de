import { apiLimits } from '../../api-limits.ts';
import { fieldsByNumber, type MessageField } from './field-table.ts';
import { WireError, WireReader } from './wire-reader.ts';

type JsonObject = Record<string, unknown>;

/**
 * A protobuf message as the JSON that would say the same. Go's clients write zero values that JSON clients leave out, so what
 * is zero and no pointer is left out here. Fields that are not in the table are dropped, as protobuf wants it.
 * Throws WireError.
 */
export function decodeMessage(name: string, bytes: Buffer): JsonObject {
  return readMessage(name, bytes, 0);
}

function readMessage(name: string, bytes: Buffer, depth: number): JsonObject {
  if (depth > apiLimits.bodyDepthMax) throw new WireError('messages are nested too deep');
  const fields = fieldsByNumber.get(name);
  if (!fields) throw new WireError(`${name} is not known`);
  const object: JsonObject = {};
  const reader = new WireReader(bytes);
  while (!reader.done) {
    const { number, wireType } = reader.tag();
    const field = fields.get(number);
    if (!field) reader.skip(wireType);
    else if (wireType !== wireTypeOf(field))
      throw new WireError(`field ${field[1]} has wire type ${wireType}`);
    else readField(object, field, { reader, depth });
  }
  return object;
}

interface Position {
  reader: WireReader;
  depth: number;
}

function readField(object: JsonObject, [, name, type, mode]: MessageField, at: Position): void {
  switch (mode) {
    case 'map': {
      const [key, value] = readEntry(type, at);
      define((object[name] ??= {}) as JsonObject, key, value);
      return;
    }
    case 'repeated':
      ((object[name] ??= []) as unknown[]).push(readValue(type, at));
      return;
    case 'inline':
      Object.assign(object, readValue(type, at));
      return;
    case 'value':
    case 'pointer': {
      const value = readValue(type, at);
      const isZero = value === '' || value === 0 || value === false;
      if (value !== undefined && (mode === 'pointer' || !isZero)) object[name] = value;
      return;
    }
    default:
      mode satisfies never;
  }
}

/** A map's entry is a message of key and value. */
function readEntry(type: string, { reader, depth }: Position): [string, unknown] {
  const entry = new WireReader(reader.bytes());
  const text = { key: '', value: zeroOf(type) };
  while (!entry.done) {
    const { number, wireType } = entry.tag();
    if (number === 1 && wireType === 2) text.key = utf8(entry.bytes());
    else if (number === 2 && wireType === (scalarWireTypes[type] ?? 2))
      text.value = readValue(type, { reader: entry, depth });
    else entry.skip(wireType);
  }
  return [text.key, text.value];
}

function zeroOf(type: string): unknown {
  return type === 'string' || type === 'bytes' ? '' : undefined;
}

function readValue(type: string, { reader, depth }: Position): unknown {
  switch (type) {
    case 'string':
      return utf8(reader.bytes());
    case 'bytes':
      return reader.bytes().toString('base64');
    case 'int':
      return Number(BigInt.asIntN(64, reader.varint()));
    case 'bool':
      return reader.varint() !== 0n;
    case 'double':
      return reader.double();
    default: {
      const special = wellKnown[type.slice(type.lastIndexOf('.') + 1)];
      return special ? special(reader.bytes()) : readMessage(type, reader.bytes(), depth + 1);
    }
  }
}

const scalarWireTypes: Readonly<Record<string, number>> = { string: 2, bytes: 2, int: 0, bool: 0, double: 1 };

function wireTypeOf([, , type, mode]: MessageField): number {
  return mode === 'map' ? 2 : (scalarWireTypes[type] ?? 2);
}

/** Messages that JSON writes as something other than an object. */
const wellKnown: Readonly<Record<string, (bytes: Buffer) => unknown>> = {
  Time: (bytes) => time(bytes, 0),
  MicroTime: (bytes) => time(bytes, 6),
  Quantity: (bytes) => readParts(bytes).get(1) ?? '0',
  IntOrString: (bytes) => {
    const parts = readParts(bytes);
    return parts.get(1) === 1 ? (parts.get(3) ?? '') : (parts.get(2) ?? 0);
  },
  FieldsV1: (bytes) => json(String(readParts(bytes).get(1) ?? '')),
};

function json(text: string): unknown {
  try {
    return text === '' ? {} : JSON.parse(text);
  } catch (cause) {
    throw new WireError('managed fields are not JSON', { cause });
  }
}

/** Undefined for Go's zero time, which JSON writes as null. */
function time(bytes: Buffer, fractionDigits: number): string | undefined {
  const parts = readParts(bytes);
  const seconds = Number(parts.get(1) ?? 0);
  const nanos = Number(parts.get(2) ?? 0);
  if (seconds === 0 && nanos === 0) return undefined;
  const ms = seconds * 1000;
  if (Number.isNaN(new Date(ms).getTime())) throw new WireError('a time is out of range');
  const whole = new Date(ms).toISOString().slice(0, -5);
  const fraction = Math.floor(nanos / 1000)
    .toString()
    .padStart(6, '0');
  return fractionDigits === 0 ? `${whole}Z` : `${whole}.${fraction}Z`;
}

/** The scalar fields of a small message by number: numbers, and strings for what has a length. */
function readParts(bytes: Buffer): Map<number, string | number> {
  const parts = new Map<number, string | number>();
  const reader = new WireReader(bytes);
  while (!reader.done) {
    const { number, wireType } = reader.tag();
    if (wireType === 0) parts.set(number, Number(BigInt.asIntN(64, reader.varint())));
    else if (wireType === 2) parts.set(number, utf8(reader.bytes()));
    else reader.skip(wireType);
  }
  return parts;
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true });

function utf8(bytes: Buffer): string {
  try {
    return strictUtf8.decode(bytes);
  } catch (cause) {
    throw new WireError('a string is not valid UTF-8', { cause });
  }
}

/** Own properties only, whatever the key is called. */
function define(object: JsonObject, key: string, value: unknown): void {
  Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
}
