import type { FieldRow } from './message-table.ts';
import { ProtobufError } from './protobuf-error.ts';
import { wellKnownMessages } from './well-known-messages.ts';
import {
  enterMessage,
  leaveMessage,
  readBytes,
  readInt32,
  readInt64,
  readString,
  readTag,
  readVarint,
  skipValue,
  type WireReader,
  wireTypes,
} from './wire-reader.ts';

export type JsonObject = Record<string, unknown>;

/** Reads fields into `target` up to the reader's end. Fields that it does not know are passed over. */
export type StructReader = (reader: WireReader, target: JsonObject) => void;

/** Where a struct's messages come from. Asked when they are first met, because some messages contain themselves. */
export interface Messages {
  readerOf(name: string): StructReader;
  /** Whether JSON writes the message as a list of strings. */
  isList(name: string): boolean;
}

/** `home` is the package that bare message names belong to. */
export function compileStructReader(
  rows: readonly FieldRow[],
  home: string,
  messages: Messages,
): StructReader {
  const fields: FieldReader[] = [];
  for (const [number, name, type] of rows) fields[number] = compileField(name, type, { home, messages });
  return (reader, target) => {
    while (reader.at < reader.end) {
      const tag = readTag(reader);
      const field = fields[tag >>> 3];
      if (field) field(reader, tag & 7, target);
      else skipValue(reader, tag & 7);
    }
  };
}

type FieldReader = (reader: WireReader, wireType: number, target: JsonObject) => void;

interface Context {
  home: string;
  messages: Messages;
}

/** How values of one type are read. */
interface ValueType {
  wireType: number;
  /**
   * Undefined stands for none. Into `before`, what an earlier occurrence of the field gave, a type that merges
   * reads.
   */
  read: (reader: WireReader, before?: unknown) => unknown;
  zero: unknown;
  merges?: true;
}

function compileField(name: string, declared: string, context: Context): FieldReader {
  const [, prefix = '', type = '', mark] = /^(\[\]|\{\}|)([^?]*)(\?)?$/.exec(declared) ?? [];
  if (prefix === '[]') return listField(name, valueType(type, context));
  if (prefix === '{}') return mapField(name, valueType(type, context));
  if (name === '') return inlineField(resolve(type, context.home), context.messages);
  return singleField(name, valueType(type, context), { omitsZero: mark !== undefined });
}

function resolve(type: string, home: string): string {
  return type.includes('.') ? type : `${home}.${type}`;
}

const scalars: Readonly<Record<string, ValueType>> = {
  string: { wireType: wireTypes.bytes, read: readString, zero: '' },
  bytes: { wireType: wireTypes.bytes, read: readBase64, zero: '' },
  bool: { wireType: wireTypes.varint, read: (reader) => readVarint(reader) !== 0, zero: false },
  int32: { wireType: wireTypes.varint, read: readInt32, zero: 0 },
  int64: { wireType: wireTypes.varint, read: readInt64, zero: 0 },
};

function readBase64(reader: WireReader): string {
  return readBytes(reader).toString('base64');
}

function valueType(type: string, { home, messages }: Context): ValueType {
  if (/^[a-z]\w*$/.test(type)) {
    const scalar = scalars[type];
    if (!scalar) throw new Error(`no reader for values of type ${type}`);
    return scalar;
  }
  const name = resolve(type, home);
  const wellKnown = wellKnownMessages[name];
  if (wellKnown) return { wireType: wireTypes.bytes, read: wellKnown, zero: null };
  if (messages.isList(name)) return { wireType: wireTypes.bytes, read: readStringList, zero: [] };
  let readStruct: StructReader | undefined;
  return {
    wireType: wireTypes.bytes,
    read(reader, before) {
      readStruct ??= messages.readerOf(name);
      const target = (before ?? {}) as JsonObject;
      const outerEnd = enterMessage(reader);
      readStruct(reader, target);
      leaveMessage(reader, outerEnd);
      return target;
    },
    zero: {},
    merges: true,
  };
}

/** The last of several values counts; messages are merged. */
function singleField(
  name: string,
  { wireType, read, zero, merges }: ValueType,
  { omitsZero }: { omitsZero: boolean },
): FieldReader {
  return (reader, actual, target) => {
    if (actual !== wireType) throw wrongWireType(name, actual);
    const value = merges ? read(reader, target[name]) : read(reader);
    if (value !== undefined && (!omitsZero || value !== zero)) target[name] = value;
    else if (target[name] !== undefined) delete target[name];
  };
}

/** Numbers may be packed: one value of bytes that holds them all. */
function listField(name: string, { wireType, read, zero }: ValueType): FieldReader {
  return (reader, actual, target) => {
    const list = (target[name] ??= []) as unknown[];
    if (actual === wireType) {
      list.push(read(reader) ?? zero);
    } else if (actual === wireTypes.bytes) {
      const outerEnd = enterMessage(reader);
      while (reader.at < reader.end) list.push(read(reader));
      leaveMessage(reader, outerEnd);
    } else throw wrongWireType(name, actual);
  };
}

/** An entry is a message of key and value; what it leaves out is empty. The last of equal keys counts. */
function mapField(name: string, { wireType, read, zero }: ValueType): FieldReader {
  return (reader, actual, target) => {
    if (actual !== wireTypes.bytes) throw wrongWireType(name, actual);
    const map = (target[name] ??= {}) as JsonObject;
    const outerEnd = enterMessage(reader);
    let key = '';
    let value: unknown;
    while (reader.at < reader.end) {
      const tag = readTag(reader);
      if (tag === (1 << 3) + wireTypes.bytes) key = readString(reader);
      else if (tag === (2 << 3) + wireType) value = read(reader, value);
      else if (tag >>> 3 <= 2) throw wrongWireType(name, tag & 7);
      else skipValue(reader, tag & 7);
    }
    leaveMessage(reader, outerEnd);
    if (key === '__proto__') throw new ProtobufError('Forbidden', `the map key "__proto__" in field ${name}`);
    map[key] = value ?? copyOf(zero);
  };
}

function inlineField(message: string, messages: Messages): FieldReader {
  let readStruct: StructReader | undefined;
  return (reader, actual, target) => {
    if (actual !== wireTypes.bytes) throw wrongWireType(message, actual);
    readStruct ??= messages.readerOf(message);
    const outerEnd = enterMessage(reader);
    readStruct(reader, target);
    leaveMessage(reader, outerEnd);
  };
}

function readStringList(reader: WireReader): string[] {
  const list: string[] = [];
  const outerEnd = enterMessage(reader);
  while (reader.at < reader.end) {
    const tag = readTag(reader);
    if (tag === (1 << 3) + wireTypes.bytes) list.push(readString(reader));
    else if (tag >>> 3 === 1) throw wrongWireType('items', tag & 7);
    else skipValue(reader, tag & 7);
  }
  leaveMessage(reader, outerEnd);
  return list;
}

function copyOf(zero: unknown): unknown {
  return typeof zero === 'object' && zero !== null ? structuredClone(zero) : zero;
}

function wrongWireType(field: string, wireType: number): ProtobufError {
  return new ProtobufError('Malformed', `wrong wireType = ${wireType} for field ${field}`);
}
