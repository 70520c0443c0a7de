import type { Options, Packr as Packer, Unpackr as Unpacker } from 'msgpackr';
import { Packr } from 'msgpackr/pack';
import { Unpackr } from 'msgpackr/unpack';
import { CodecError } from './codec-error.ts';
import { limits } from './limits.ts';

/**
 * MessagePack, the part of it that JSON could say, plus byte strings. The library also speaks records, dates,
 * regular expressions and other extensions, some of which run code on the reader's side; `assertPlain` turns all of
 * them away before it sees them. A member named `__proto__` it renames, so that one odd object can neither reach a
 * prototype nor make a whole message unreadable.
 */

/** `undefined` members are left out, as JSON does (the option is missing from the library's types). */
const options: Options & { skipValues: readonly unknown[] } = {
  useRecords: false,
  mapsAsObjects: true,
  variableMapSize: true,
  skipValues: [undefined],
  encodeUndefinedAsNil: true,
  /** As JSON.parse: whole numbers above 2^53 lose precision rather than turning into another type. */
  int64AsType: 'number',
  copyBuffers: true,
};

/** Stateless as far as we use them: with records off, neither keeps anything of a message but its scratch buffer. */
const packr: Packer = new Packr(options);
const unpackr: Unpacker = new Unpackr(options);
const scratchBytes = 8 * 1024;

export function packMessage(message: unknown): Uint8Array {
  const packed = packr.pack(message);
  // The library keeps its scratch buffer at the size of the largest message ever packed; a small device would feel it.
  if (packed.length > scratchBytes) packr.useBuffer(Buffer.allocUnsafeSlow(scratchBytes));
  return packed;
}

/** Throws a CodecError unless `bytes` are exactly one plain value. */
export function unpackMessage(bytes: Uint8Array): unknown {
  const end = assertPlain(bytes, 0, 0);
  if (end !== bytes.length) throw new CodecError('Malformed', 'bytes follow the message');
  try {
    return unpackr.unpack(bytes);
  } catch (cause) {
    throw new CodecError('Malformed', 'the message could not be decoded', { cause });
  }
}

/** Where the value at `at` ends. Walks headers only; every length is held against the bytes that are there. */
function assertPlain(bytes: Uint8Array, at: number, depth: number): number {
  if (depth > limits.messageDepthMax) throw new CodecError('TooDeep', 'the message is nested too deeply');
  const token = byteAt(bytes, at);
  const body = at + 1;
  if (token <= 0x7f || token >= 0xe0) return body;
  if (token <= 0x8f) return assertMembers(bytes, body, token & 0x0f, depth);
  if (token <= 0x9f) return assertElements(bytes, body, token & 0x0f, depth);
  if (token <= 0xbf) return skip(bytes, body, token & 0x1f);
  const scalar = scalarBytes[token];
  if (scalar !== undefined) return skip(bytes, body, scalar);
  const lengthBytes = lengthFieldBytes[token];
  if (lengthBytes === undefined) throw new CodecError('Malformed', 'a MessagePack extension is not accepted');
  const length = readLength(bytes, body, lengthBytes);
  const content = body + lengthBytes;
  if (token === 0xdc || token === 0xdd) return assertElements(bytes, content, length, depth);
  if (token === 0xde || token === 0xdf) return assertMembers(bytes, content, length, depth);
  return skip(bytes, content, length);
}

/** nil, false, true, float32/64, uint8…64, int8…64. */
const scalarBytes: Readonly<Record<number, number>> = {
  0xc0: 0,
  0xc2: 0,
  0xc3: 0,
  0xca: 4,
  0xcb: 8,
  0xcc: 1,
  0xcd: 2,
  0xce: 4,
  0xcf: 8,
  0xd0: 1,
  0xd1: 2,
  0xd2: 4,
  0xd3: 8,
};

/** bin8…32, str8…32, array16/32, map16/32. What is in neither table (0xc1 and the extensions) is refused. */
const lengthFieldBytes: Readonly<Record<number, 1 | 2 | 4>> = {
  0xc4: 1,
  0xc5: 2,
  0xc6: 4,
  0xd9: 1,
  0xda: 2,
  0xdb: 4,
  0xdc: 2,
  0xdd: 4,
  0xde: 2,
  0xdf: 4,
};

function assertElements(bytes: Uint8Array, at: number, count: number, depth: number): number {
  let next = at;
  for (let index = 0; index < count; index++) next = assertPlain(bytes, next, depth + 1);
  return next;
}

function assertMembers(bytes: Uint8Array, at: number, count: number, depth: number): number {
  let next = at;
  for (let index = 0; index < count; index++) {
    if (!isString(byteAt(bytes, next))) throw new CodecError('Malformed', 'a map key is not a string');
    next = assertPlain(bytes, next, depth + 1);
    next = assertPlain(bytes, next, depth + 1);
  }
  return next;
}

function isString(token: number): boolean {
  return (token >= 0xa0 && token <= 0xbf) || (token >= 0xd9 && token <= 0xdb);
}

function skip(bytes: Uint8Array, at: number, length: number): number {
  if (at + length > bytes.length) throw truncated();
  return at + length;
}

function byteAt(bytes: Uint8Array, at: number): number {
  const byte = bytes[at];
  if (byte === undefined) throw truncated();
  return byte;
}

function readLength(bytes: Uint8Array, at: number, count: 1 | 2 | 4): number {
  let length = 0;
  for (let index = 0; index < count; index++) length = length * 256 + byteAt(bytes, at + index);
  return length;
}

function truncated(): CodecError {
  return new CodecError('Malformed', 'the message is cut off');
}
