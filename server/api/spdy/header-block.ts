import { constants, createInflate, type Inflate } from 'node:zlib';
import { spdyDictionary, spdyDictionaryId } from './dictionary.ts';
import { SpdyError } from './spdy-error.ts';
import { spdyLimits } from './spdy-limits.ts';

/** Names in lower case. */
export type SpdyHeaders = ReadonlyMap<string, string>;

/**
 * Reads the compressed header blocks of one connection. They are one deflate stream, so every block has to pass here, in
 * order, also of frames that mean nothing to us.
 */
export class HeaderReader implements Disposable {
  readonly #inflate: Inflate;
  #failure: SpdyError | undefined;
  #fail: ((error: SpdyError) => void) | undefined;
  #inflated: Buffer[] = [];
  #bytes = 0;

  constructor() {
    this.#inflate = createInflate({ dictionary: spdyDictionary(), finishFlush: constants.Z_SYNC_FLUSH });
    this.#inflate.on('error', (cause) => this.#break('the headers cannot be inflated', cause));
    this.#inflate.on('data', (chunk: Buffer) => {
      this.#bytes += chunk.length;
      if (this.#bytes > spdyLimits.headerBlockBytesMax) this.#break('the headers of a frame are too large');
      else this.#inflated.push(chunk);
    });
  }

  /** Rejects with a SpdyError; after that the connection cannot be read on. */
  async read(block: Uint8Array): Promise<SpdyHeaders> {
    if (this.#failure) throw this.#failure;
    await new Promise<void>((resolve, reject) => {
      this.#fail = reject;
      this.#inflate.write(block, () => {
        while (this.#inflate.readableLength > 0) this.#inflate.read();
        resolve();
      });
    });
    this.#fail = undefined;
    if (this.#failure) throw this.#failure;
    const inflated = Buffer.concat(this.#inflated);
    this.#inflated = [];
    this.#bytes = 0;
    return parseHeaders(inflated);
  }

  [Symbol.dispose](): void {
    this.#inflate.destroy();
  }

  #break(message: string, cause?: unknown): void {
    if (this.#failure) return;
    this.#failure = new SpdyError('Malformed', message, { cause });
    this.#inflate.destroy();
    this.#fail?.(this.#failure);
  }
}

/** Throws SpdyError Malformed or TooMany. Of a header that is there twice, all values count, with a NUL between them. */
export function parseHeaders(block: Buffer): SpdyHeaders {
  const headers = new Map<string, string>();
  let at = 4;
  const count = numberAt(block, 0);
  if (count > spdyLimits.headersMax) throw new SpdyError('TooMany', `a frame has ${count} headers`);
  for (let index = 0; index < count; index++) {
    const name = textAt(block, at);
    at += 4 + name.length;
    const value = textAt(block, at);
    at += 4 + value.length;
    const key = name.toString('latin1').toLowerCase();
    if (key === '' || headers.has(key))
      throw new SpdyError('Malformed', 'a header has no name, or is there twice');
    headers.set(key, value.toString());
  }
  if (at !== block.length) throw new SpdyError('Malformed', 'bytes follow the headers of a frame');
  return headers;
}

function textAt(block: Buffer, at: number): Buffer {
  const length = numberAt(block, at);
  if (at + 4 + length > block.length) throw new SpdyError('Malformed', 'the headers of a frame are cut off');
  return block.subarray(at + 4, at + 4 + length);
}

function numberAt(block: Buffer, at: number): number {
  if (at + 4 > block.length) throw new SpdyError('Malformed', 'the headers of a frame are cut off');
  return block.readUInt32BE(at);
}

/**
 * Writes header blocks as "stored" pieces of a deflate stream (RFC 1951, 3.2.4): valid for any reader, and what this side
 * has to say is too short to be worth compressing.
 */
export class HeaderWriter {
  #begun = false;

  write(headers: SpdyHeaders): Buffer {
    const plain = Buffer.concat([
      uint32(headers.size),
      ...[...headers].flatMap(([name, value]) => [...sized(name), ...sized(value)]),
    ]);
    if (plain.length > storedBytesMax) throw new SpdyError('TooLarge', 'the headers are too large');
    const head = Buffer.alloc(5);
    head.writeUInt16LE(plain.length, 1);
    head.writeUInt16LE(plain.length ^ 0xffff, 3);
    const begin = this.#begun ? [] : [Uint8Array.of(0x78, 0xbb), uint32(spdyDictionaryId)];
    this.#begun = true;
    return Buffer.concat([...begin, head, plain, emptyStored]);
  }
}

const storedBytesMax = 0xffff;
/** Ends what a reader gets at once, as a flush of zlib does; without it Go's waits for bits that do not come. */
const emptyStored = Uint8Array.of(0, 0, 0, 0xff, 0xff);

function sized(text: string): Uint8Array[] {
  const bytes = Buffer.from(text);
  return [uint32(bytes.length), bytes];
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
