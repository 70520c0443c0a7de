import { isUtf8 } from 'node:buffer';
import { ProtobufError } from './protobuf-error.ts';

/**
 * Reads protobuf's wire format (https://protobuf.dev/programming-guides/encoding/) off a buffer, strictly: nothing
 * is read beyond `end`, and what cannot be is a ProtobufError. Groups (wire types 3 and 4) are refused: Kubernetes
 * has none.
 */
export interface WireReader {
  readonly bytes: Buffer;
  at: number;
  /** First position that is not part of the message at hand. */
  end: number;
  /** Messages around the one at hand. */
  depth: number;
}

export const wireTypes = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;
const fieldNumberMax = 2 ** 29 - 1;
/** Nesting of messages; real ones stay below twenty. */
export const depthMax = 64;

export function wireReader(bytes: Buffer): WireReader {
  return { bytes, at: 0, end: bytes.length, depth: 0 };
}

/** The number and wire type of the next field, as `number * 8 + type`. */
export function readTag(reader: WireReader): number {
  const tag = readVarint(reader);
  if (tag < 8 || tag > fieldNumberMax * 8 + 7) throw new ProtobufError('Malformed', 'illegal field number');
  return tag;
}

/** An unsigned varint, as the nearest number where it is larger than 2^53. */
export function readVarint(reader: WireReader): number {
  const { bytes, at, end } = reader;
  const first = bytes[at];
  if (at < end && first !== undefined && first < 0x80) {
    reader.at = at + 1;
    return first;
  }
  let value = 0;
  let scale = 1;
  for (let next = at; next < end; next++) {
    const byte = bytes[next] ?? 0;
    value += (byte & 0x7f) * scale;
    scale *= 128;
    if (byte < 0x80) {
      if (next - at === 9 && byte > 1) break;
      reader.at = next + 1;
      return value;
    }
    if (next - at === 9) break;
  }
  if (end - at < 10) throw truncated();
  throw new ProtobufError('Malformed', 'integer overflow');
}

/** Whole numbers beyond ±2^53 become the nearest that JavaScript has, as in JSON. */
export function readInt64(reader: WireReader): number {
  const start = reader.at;
  const value = readVarint(reader);
  if (reader.at - start < 8) return value;
  let exact = 0n;
  for (let at = reader.at - 1; at >= start; at--)
    exact = (exact << 7n) | BigInt((reader.bytes[at] ?? 0) & 0x7f);
  return Number(BigInt.asIntN(64, exact));
}

/** As in Go, only the lowest 32 bits count. */
export function readInt32(reader: WireReader): number {
  const start = reader.at;
  const value = readVarint(reader);
  if (reader.at - start < 5) return value;
  let low = 0;
  for (let index = 0; index < 5; index++) low |= ((reader.bytes[start + index] ?? 0) & 0x7f) << (7 * index);
  return low;
}

/** The end of a length-delimited value that begins at `reader.at`. */
export function readEnd(reader: WireReader): number {
  const length = readVarint(reader);
  if (length > reader.end - reader.at) throw truncated();
  return reader.at + length;
}

/** Bytes of the reader's own buffer, not a copy. */
export function readBytes(reader: WireReader): Buffer {
  const end = readEnd(reader);
  const value = reader.bytes.subarray(reader.at, end);
  reader.at = end;
  return value;
}

/** Throws when it is not UTF-8. */
export function readString(reader: WireReader): string {
  const end = readEnd(reader);
  const { bytes, at } = reader;
  reader.at = end;
  if (at === end) return '';
  for (let next = at; next < end; next++)
    if ((bytes[next] ?? 0) >= 0x80) return readUnicode(bytes.subarray(at, end));
  return bytes.toString('latin1', at, end);
}

function readUnicode(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new ProtobufError('Malformed', 'a string is not valid UTF-8');
  return bytes.toString();
}

/** Passes over the value of a field that nobody knows. */
export function skipValue(reader: WireReader, wireType: number): void {
  switch (wireType) {
    case wireTypes.varint:
      readVarint(reader);
      return;
    case wireTypes.fixed64:
      skipBytes(reader, 8);
      return;
    case wireTypes.bytes:
      reader.at = readEnd(reader);
      return;
    case wireTypes.fixed32:
      skipBytes(reader, 4);
      return;
    default:
      throw new ProtobufError('Malformed', `illegal wire type ${wireType}`);
  }
}

type ReadField = (reader: WireReader, number: number, wireType: number) => void;

/**
 * Calls `readField` for each field of the message whose length comes next. It must read the field's value or skip
 * it, and gets the field's number and wire type.
 */
export function readMessage(reader: WireReader, readField: ReadField): void {
  const outerEnd = enterMessage(reader);
  readFields(reader, readField);
  leaveMessage(reader, outerEnd);
}

/** As `readMessage`, for a message that is all the rest. */
export function readFields(reader: WireReader, readField: ReadField): void {
  while (reader.at < reader.end) {
    const tag = readTag(reader);
    readField(reader, tag >>> 3, tag & 7);
  }
}

/** Narrows the reader to the message whose length comes next. Returns what `leaveMessage` needs. */
export function enterMessage(reader: WireReader): number {
  const end = readEnd(reader);
  const outerEnd = reader.end;
  if (++reader.depth > depthMax)
    throw new ProtobufError('TooDeep', `nested deeper than ${depthMax} messages`);
  reader.end = end;
  return outerEnd;
}

export function leaveMessage(reader: WireReader, outerEnd: number): void {
  reader.end = outerEnd;
  reader.depth--;
}

function skipBytes(reader: WireReader, length: number): void {
  if (reader.end - reader.at < length) throw truncated();
  reader.at += length;
}

function truncated(): ProtobufError {
  return new ProtobufError('Truncated', 'unexpected end of data');
}
