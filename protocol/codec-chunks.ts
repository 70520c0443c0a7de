import { hash } from 'node:crypto';
import { CodecError } from './codec-error.ts';
import { limits } from './limits.ts';

/**
 * Large payloads as chunks: marker, message id, index and count (16 bit, big endian), then a part of the payload.
 * The id is the beginning of the payload's SHA-256, so that chunks of two sendings of the same message complete
 * each other, and a mix-up is noticed at the end.
 */
const marker = 0x02;
const idBytes = 8;
const headerBytes = 1 + idBytes + 2 + 2;
const partBytes = limits.chunkBytesMax - headerBytes;
/** One more for the deflate marker. */
const countMax = Math.ceil((limits.messageBytesMax + 1) / partBytes);

export function splitIntoChunks(payload: Uint8Array): Uint8Array[] {
  const id = payloadId(payload);
  const count = Math.ceil(payload.length / partBytes);
  return Array.from({ length: count }, (_, index) => {
    const part = payload.subarray(index * partBytes, (index + 1) * partBytes);
    const chunk = new Uint8Array(headerBytes + part.length);
    chunk[0] = marker;
    chunk.set(id, 1);
    const view = new DataView(chunk.buffer);
    view.setUint16(1 + idBytes, index);
    view.setUint16(1 + idBytes + 2, count);
    chunk.set(part, headerBytes);
    return chunk;
  });
}

export function isChunk(payload: Uint8Array): boolean {
  return payload[0] === marker;
}

interface PartialMessage {
  sender: string;
  parts: (Uint8Array | undefined)[];
  missing: number;
  bytes: number;
}

/**
 * Puts chunked payloads together again. What is incomplete is bounded per sender and in all; the oldest incomplete
 * message gives way, and its sender's sync protocol will say it again.
 */
export class Reassembler {
  /** By sender, topic and message id; in the order they were begun. */
  readonly #partials = new Map<string, PartialMessage>();
  readonly #perSender = new Map<string, number>();
  #bytes = 0;

  /**
   * A payload that is not a chunk comes back as it is. A chunk returns the whole payload when it was the last one
   * missing, undefined otherwise. `sender` is who sent it, as far as limits go; `topic` the topic string. Throws
   * CodecError.
   */
  accept(sender: string, topic: string, payload: Uint8Array): Uint8Array | undefined {
    if (!isChunk(payload)) return payload;
    const { id, index, count, part } = readChunk(payload);
    const key = `${sender}\n${topic}\n${id}\n${count}`;
    const partial = this.#partials.get(key) ?? this.#begin(key, sender, count);
    if (partial.parts[index]) return undefined;
    partial.parts[index] = part;
    partial.missing--;
    partial.bytes += part.length;
    this.#bytes += part.length;
    if (partial.bytes > limits.messageBytesMax + 1) {
      this.#drop(key);
      throw new CodecError('TooLarge', 'a chunked message is too large');
    }
    if (partial.missing === 0) return this.#complete(key, partial, id);
    this.#makeRoom();
    return undefined;
  }

  /** Drops what `sender` left incomplete, e.g. when it disconnected. */
  forget(sender: string): void {
    if (!this.#perSender.has(sender)) return;
    for (const [key, partial] of this.#partials) if (partial.sender === sender) this.#drop(key);
  }

  /** Bytes held for incomplete messages. */
  get pendingBytes(): number {
    return this.#bytes;
  }

  #begin(key: string, sender: string, count: number): PartialMessage {
    const open = this.#perSender.get(sender) ?? 0;
    if (open >= limits.partialMessagesPerSenderMax) this.#dropOldestOf(sender);
    const partial = {
      sender,
      parts: Array.from<Uint8Array | undefined>({ length: count }),
      missing: count,
      bytes: 0,
    };
    this.#partials.set(key, partial);
    this.#perSender.set(sender, (this.#perSender.get(sender) ?? 0) + 1);
    return partial;
  }

  #complete(key: string, partial: PartialMessage, id: string): Uint8Array {
    this.#drop(key);
    const payload = new Uint8Array(partial.bytes);
    let at = 0;
    for (const part of partial.parts) {
      if (!part) continue;
      payload.set(part, at);
      at += part.length;
    }
    if (Buffer.from(payloadId(payload)).toString('hex') !== id) {
      throw new CodecError('Malformed', 'the chunks do not belong together');
    }
    return payload;
  }

  #makeRoom(): void {
    for (const key of this.#partials.keys()) {
      if (this.#bytes <= limits.partialMessagesBytesMax) return;
      this.#drop(key);
    }
  }

  #dropOldestOf(sender: string): void {
    for (const [key, partial] of this.#partials) {
      if (partial.sender === sender) return this.#drop(key);
    }
  }

  #drop(key: string): void {
    const partial = this.#partials.get(key);
    if (!partial) return;
    this.#partials.delete(key);
    this.#bytes -= partial.bytes;
    const open = (this.#perSender.get(partial.sender) ?? 1) - 1;
    if (open === 0) this.#perSender.delete(partial.sender);
    else this.#perSender.set(partial.sender, open);
  }
}

function readChunk(chunk: Uint8Array) {
  if (chunk.length <= headerBytes) throw new CodecError('Malformed', 'a chunk is cut off');
  if (chunk.length > limits.chunkBytesMax) throw new CodecError('TooLarge', 'a chunk is too large');
  const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.length);
  const index = view.getUint16(1 + idBytes);
  const count = view.getUint16(1 + idBytes + 2);
  if (count > countMax) throw new CodecError('TooLarge', 'a message in too many chunks');
  if (index >= count) throw new CodecError('Malformed', 'a chunk contradicts itself');
  const id = Buffer.from(chunk.subarray(1, 1 + idBytes)).toString('hex');
  // A copy: the network buffer behind a chunk may be much larger than the chunk.
  return { id, index, count, part: Uint8Array.from(chunk.subarray(headerBytes)) };
}

function payloadId(payload: Uint8Array): Uint8Array {
  return hash('sha256', payload, 'buffer').subarray(0, idBytes);
}
