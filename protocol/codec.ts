import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import * as v from 'valibot';
import { splitIntoChunks } from './codec-chunks.ts';
import { CodecError } from './codec-error.ts';
import { packMessage, unpackMessage } from './codec-msgpack.ts';
import { limits } from './limits.ts';
import type { Message, TopicDefinition } from './topics/define-topic.ts';

/**
 * Messages as bytes. The first byte of a payload tells its format; the markers are bytes that begin neither a
 * MessagePack map nor a JSON object:
 *
 * | first byte | format |
 * |---|---|
 * | 0x80…0x8f, 0xde, 0xdf | a MessagePack map |
 * | 0x7b | a JSON object, UTF-8 |
 * | 0x01 | raw deflate of one of the above follows |
 * | 0x02 | a chunk of one of the above (codec-chunks.ts); a `Reassembler` takes it, not `decodeMessage` |
 *
 * What arrives is hostile until it has passed here: sizes, depth, extension types and the topic's schema are
 * checked, and nothing but a CodecError is thrown.
 */
const deflateMarker = 0x01;

/** The payloads to publish, in order: one, or several chunks. Throws CodecError TooLarge. */
export function encodeMessage<D extends TopicDefinition>(_topic: D, message: Message<D>): Uint8Array[] {
  const packed = packMessage(message);
  if (packed.length > limits.messageBytesMax) {
    throw new CodecError('TooLarge', `a message of ${packed.length} bytes is above the limit`);
  }
  const payload = deflateIfSmaller(packed);
  return payload.length <= limits.chunkBytesMax ? [payload] : splitIntoChunks(payload);
}

/** Decodes one whole payload (not a chunk). Members that the schema does not name are dropped. */
export function decodeMessage<D extends TopicDefinition>(topic: D, payload: Uint8Array): Message<D> {
  const result = v.safeParse(topic.schema, decodeAny(payload, true), { abortEarly: true });
  if (result.success) return result.output;
  const path = v.getDotPath(result.issues[0]) ?? 'the message';
  throw new CodecError('SchemaMismatch', `topic ${topic.name}: ${path} is not as the schema says`);
}

function decodeAny(payload: Uint8Array, mayBeDeflated: boolean): unknown {
  if (payload.length > limits.messageBytesMax) throw new CodecError('TooLarge', 'the message is too large');
  const first = payload[0];
  if (first === undefined) throw new CodecError('UnknownFormat', 'the payload is empty');
  if ((first & 0xf0) === 0x80 || first === 0xde || first === 0xdf) return unpackMessage(payload);
  if (first === 0x7b) return parseJson(payload);
  if (first === deflateMarker && mayBeDeflated) return decodeAny(inflate(payload.subarray(1)), false);
  throw new CodecError('UnknownFormat', `no message starts with byte ${first}`);
}

/** A 16 KiB window costs 96 KiB while deflating; the default window would cost 256 and save next to nothing here. */
const deflateOptions = { windowBits: 14, memLevel: 6, level: constants.Z_DEFAULT_COMPRESSION };

function deflateIfSmaller(packed: Uint8Array): Uint8Array {
  if (packed.length <= limits.deflateAboveBytes || looksDense(packed)) return packed;
  const deflated = deflateRawSync(packed, deflateOptions);
  if (deflated.length + 1 >= packed.length) return packed;
  const payload = new Uint8Array(deflated.length + 1);
  payload[0] = deflateMarker;
  payload.set(deflated, 1);
  return payload;
}

const sampledAboveBytes = 4 * 1024;
const samples = 512;
/** Of 256. The samples of random bytes hold 221 ± 5, those of texts less than 100, of programs nearly always less than this. */
const denseAboveValues = 200;

/** Whether it is compressed or encrypted already, by a few of its bytes: to deflate that in vain is half the work of a device that sends it. */
function looksDense(packed: Uint8Array): boolean {
  if (packed.length <= sampledAboveBytes) return false;
  const seen = new Uint8Array(256);
  const step = Math.floor(packed.length / samples);
  let values = 0;
  for (let at = 0; at < packed.length; at += step) {
    const value = packed[at] ?? 0;
    if (seen[value] === 0) values += 1;
    seen[value] = 1;
  }
  return values > denseAboveValues;
}

function inflate(deflated: Uint8Array): Uint8Array {
  try {
    return inflateRawSync(deflated, { maxOutputLength: limits.messageBytesMax });
  } catch (cause) {
    const tooLarge = (cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    throw new CodecError(tooLarge ? 'TooLarge' : 'Malformed', 'the message could not be inflated', { cause });
  }
}

function parseJson(payload: Uint8Array): unknown {
  assertShallow(payload);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload), dropPrototypeKey);
  } catch (cause) {
    throw new CodecError('Malformed', 'the message is not valid JSON', { cause });
  }
}

/**
 * Counts brackets, also those inside strings: brackets in a text are rare, and too many of them only refuse a
 * message.
 */
function assertShallow(json: Uint8Array): void {
  let depth = 0;
  for (const byte of json) {
    if (byte === 0x7b || byte === 0x5b) depth++;
    else if (byte === 0x7d || byte === 0x5d) depth--;
    if (depth > limits.messageDepthMax + 1) {
      throw new CodecError('TooDeep', 'the message is nested too deeply');
    }
  }
}

function dropPrototypeKey(key: string, value: unknown): unknown {
  return key === '__proto__' ? undefined : value;
}
