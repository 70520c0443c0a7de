import { LayerError } from '../layers/layer-error.ts';

/**
 * Reads tar archives as images have them: POSIX ustar and pax, and GNU's long names. One member after the other, from a stream:
 * nothing is held but a block and the names. Rejects with LayerError `WrongContent` what is damaged or beyond the limits.
 */
export interface TarMember {
  /** As it is written: whoever unpacks it judges it. */
  path: string;
  type: 'file' | 'directory' | 'symlink' | 'hardlink' | 'special';
  mode: number;
  uid: number;
  gid: number;
  sizeBytes: number;
  /** Of links. */
  target: string;
  modifiedMs: number;
  /** By name, e.g. `security.capability`. */
  attributes: ReadonlyMap<string, Buffer>;
  /** Where the content begins in the archive. */
  offset: number;
  /** What is left unread when the next member is asked for is skipped. */
  content: () => AsyncGenerator<Uint8Array>;
}

const blockBytes = 512;
const pathBytesMax = 4096;
/** Of the names and attributes of one member. */
const extendedBytesMax = 1024 * 1024;
const membersMax = 2_000_000;
const attributePrefix = 'SCHILY.xattr.';

export async function* readTar(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<TarMember> {
  const source = new BlockSource(chunks);
  const global = new Map<string, Buffer>();
  let own = new Map<string, Buffer>();
  for (let count = 0; count < membersMax; ) {
    const block = await source.block();
    if (!block || block.every((byte) => byte === 0)) {
      await source.drain();
      return;
    }
    const header = parseHeader(block);
    if (extensions.has(header.flag)) {
      if (header.sizeBytes > extendedBytesMax) throw damaged('a name or attribute is too long');
      const data = await source.bytes(header.sizeBytes);
      if (header.flag === 'x') for (const [key, value] of parseRecords(data)) own.set(key, value);
      if (header.flag === 'g') for (const [key, value] of parseRecords(data)) global.set(key, value);
      if (header.flag === 'L') own.set('path', untilZero(data));
      if (header.flag === 'K') own.set('linkpath', untilZero(data));
      continue;
    }
    count += 1;
    const member = memberOf(header, new Map([...global, ...own]));
    own = new Map();
    const { offset } = source;
    const end = source.begin(member.sizeBytes);
    yield { ...member, offset, content: () => source.content() };
    await end();
  }
  throw damaged(`more than ${membersMax} members`);
}

interface Header {
  flag: string;
  path: string;
  mode: number;
  uid: number;
  gid: number;
  sizeBytes: number;
  modifiedS: number;
  target: string;
}

/** Those that say something of the next member. */
const extensions = new Set(['x', 'g', 'L', 'K']);

function parseHeader(block: Buffer): Header {
  const sum = block.reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 32 : byte), 0);
  if (number(block, 148, 8) !== sum) throw damaged('a header is not one');
  const name = text(block, 0, 100);
  const prefix = text(block, 257, 6) === 'ustar' ? text(block, 345, 155) : '';
  return {
    flag: String.fromCharCode(block[156] ?? 0),
    path: prefix === '' ? name : `${prefix}/${name}`,
    mode: number(block, 100, 8),
    uid: number(block, 108, 8),
    gid: number(block, 116, 8),
    sizeBytes: number(block, 124, 12),
    modifiedS: number(block, 136, 12),
    target: text(block, 157, 100),
  };
}

function memberOf(
  header: Header,
  records: ReadonlyMap<string, Buffer>,
): Omit<TarMember, 'offset' | 'content'> {
  const word = (key: string) => records.get(key)?.toString();
  const amount = (key: string, other: number) => {
    const value = Number(word(key) ?? other);
    if (!Number.isFinite(value)) throw damaged(`${key} is no number`);
    return value;
  };
  const path = word('path') ?? header.path;
  const target = word('linkpath') ?? header.target;
  if (path.length > pathBytesMax || target.length > pathBytesMax) throw damaged('a path is too long');
  if (path.includes('\0') || target.includes('\0')) throw damaged('a path holds a zero byte');
  const type = typeOf(header.flag, path);
  const sizeBytes = amount('size', header.sizeBytes);
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) throw damaged('a size is none');
  if ([...records.keys()].some((key) => key.startsWith('GNU.sparse')))
    throw damaged('a file with holes is written in a way that is not understood here');
  return {
    path,
    type,
    mode: header.mode & 0o7777,
    uid: amount('uid', header.uid),
    gid: amount('gid', header.gid),
    // Only files have content; some writers give links the size of what they lead to.
    sizeBytes: type === 'file' || type === 'special' ? sizeBytes : 0,
    target,
    modifiedMs: amount('mtime', header.modifiedS) * 1000,
    attributes: new Map(
      [...records].flatMap(([key, value]) =>
        key.startsWith(attributePrefix) ? [[key.slice(attributePrefix.length), value] as const] : [],
      ),
    ),
  };
}

function typeOf(flag: string, path: string): TarMember['type'] {
  switch (flag) {
    case '0':
    case '\0':
    case '7':
      // Before POSIX a folder was told by its slash.
      return path.endsWith('/') ? 'directory' : 'file';
    case '1':
      return 'hardlink';
    case '2':
      return 'symlink';
    case '5':
      return 'directory';
    case '3':
    case '4':
    case '6':
      return 'special';
    default:
      throw damaged(`a member is of a kind that is not understood here (${JSON.stringify(flag)})`);
  }
}

/** `<length> <key>=<value>\n`, the length counting all of that. */
function parseRecords(data: Buffer): Map<string, Buffer> {
  const records = new Map<string, Buffer>();
  for (let at = 0; at < data.length; ) {
    const space = data.indexOf(0x20, at);
    const length = space < 0 ? Number.NaN : Number(data.subarray(at, space).toString());
    const record = data.subarray(space + 1, at + length);
    const equals = record.indexOf(0x3d);
    if (!Number.isSafeInteger(length) || at + length > data.length || equals < 1 || record.at(-1) !== 0x0a)
      throw damaged('an attribute is none');
    records.set(record.subarray(0, equals).toString(), Buffer.from(record.subarray(equals + 1, -1)));
    at += length;
  }
  return records;
}

function untilZero(data: Buffer): Buffer {
  const end = data.indexOf(0);
  return end < 0 ? data : data.subarray(0, end);
}

function text(block: Buffer, from: number, length: number): string {
  return untilZero(block.subarray(from, from + length)).toString();
}

/** Octal, or for what is too large for that, binary with the highest bit set. */
function number(block: Buffer, from: number, length: number): number {
  const field = block.subarray(from, from + length);
  const [first = 0] = field;
  if (first >= 0x80) {
    const value = BigInt(`0x${field.toString('hex')}`) & ((1n << BigInt(length * 8 - 1)) - 1n);
    if (first === 0xff) return -1;
    return Number(value);
  }
  const digits = untilZero(field).toString().trim();
  if (!/^[0-7]*$/.test(digits)) throw damaged('a number is none');
  return digits === '' ? 0 : Number.parseInt(digits, 8);
}

function damaged(why: string): LayerError {
  return new LayerError('WrongContent', `the archive is damaged: ${why}`);
}

/** A stream of chunks, read in blocks and in contents of a known length. */
class BlockSource {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Buffer = Buffer.alloc(0);
  #left = 0;
  offset = 0;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Undefined at the end. */
  async block(): Promise<Buffer | undefined> {
    if (this.#rest.length === 0 && !(await this.#more())) return undefined;
    return this.#take(blockBytes);
  }

  /** A content as a whole, with what fills up its last block. */
  async bytes(length: number): Promise<Buffer> {
    const data = await this.#take(length);
    await this.#take(padding(length));
    return data;
  }

  /** The content that comes now; the function that this returns goes to its end. */
  begin(length: number): () => Promise<void> {
    this.#left = length;
    return async () => {
      for await (const _skipped of this.content());
      await this.#take(padding(length));
    };
  }

  async *content(): AsyncGenerator<Uint8Array> {
    while (this.#left > 0) {
      if (this.#rest.length === 0 && !(await this.#more())) throw damaged('it ends too early');
      const part = this.#rest.subarray(0, this.#left);
      this.#rest = this.#rest.subarray(part.length);
      this.#left -= part.length;
      this.offset += part.length;
      yield part;
    }
  }

  /** What follows the end mark, so that a hash of the stream is that of the whole. */
  async drain(): Promise<void> {
    while (await this.#more()) this.#rest = Buffer.alloc(0);
  }

  async #take(length: number): Promise<Buffer> {
    while (this.#rest.length < length) {
      const before = this.#rest;
      if (!(await this.#more())) throw damaged('it ends too early');
      this.#rest = Buffer.concat([before, this.#rest]);
    }
    const data = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    this.offset += length;
    return data;
  }

  async #more(): Promise<boolean> {
    for (;;) {
      const next = await this.#chunks.next();
      if (next.done) return false;
      if (next.value.length === 0) continue;
      this.#rest = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength);
      return true;
    }
  }
}

function padding(length: number): number {
  return (blockBytes - (length % blockBytes)) % blockBytes;
}
