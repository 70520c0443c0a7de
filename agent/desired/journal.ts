import { crc32 } from 'node:zlib';
import { Packr } from 'msgpackr/pack';
import type { Logger } from '../../lib/log.ts';
import { type Disk, type DiskFile, systemDisk } from './disk.ts';

/**
 * Small state that must survive a power cut, for whoever needs it in the agent: a map from key to value, kept in an
 * append-only file of checksummed records that is rewritten when mostly garbage. A torn tail is cut off at opening,
 * never believed.
 *
 * File: `FLJ1`, then records of u32 length, u32 CRC-32 of length and body, body. A body is the msgpack array of one
 * write's changes: `[key, value]` puts, `[key]` removes. One write is one record, so it is there whole or not at all.
 * Zeros may follow: room that was taken while there was some, so that a disk which others have filled does not keep the
 * agent from noting what it stops and removes.
 */
export interface Journal extends AsyncDisposable {
  /** What the file holds; current as of the last resolved write. */
  readonly entries: ReadonlyMap<string, unknown>;
  /**
   * All changes or none; an undefined value removes the key. Durable when resolved; calls in flight share one fsync.
   * Rejects with a `JournalError`; then nothing of the write is kept and later writes are tried anew.
   */
  write(changes: readonly JournalChange[]): Promise<void>;
  /** Bytes written to disk since opening, for the flash-wear budget. */
  readonly bytesWritten: number;
  /** The file was damaged before its end when it was opened: `entries` is an earlier or a partial state. */
  readonly damaged: boolean;
}

export interface JournalChange {
  key: string;
  value: unknown;
}

export interface JournalOptions {
  path: string;
  log: Logger;
  disk?: Disk | undefined;
  /** How much room the file keeps beyond what it holds; none unless given. */
  reserveBytes?: number;
}

export type JournalErrorCode = 'DiskFull' | 'WriteFailed' | 'TooLarge' | 'Closed';

export class JournalError extends Error {
  readonly code: JournalErrorCode;

  constructor(code: JournalErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'JournalError';
    this.code = code;
  }
}

const codec = new Packr({ useRecords: false });
const magic = Buffer.from('FLJ1');
const headerBytes = 8;
const recordBytesMax = 32 * 1024 * 1024;
/** Below this much garbage a rewrite wears the flash more than it frees. */
const garbageBytesMin = 64 * 1024;
const garbagePerLive = 2;

/** Opens or creates the file. Rejects with the file system's error when it cannot be read or written. */
export async function openJournal({
  path,
  log,
  disk = systemDisk,
  reserveBytes = 0,
}: JournalOptions): Promise<Journal> {
  const bytes = await disk.read(path);
  const loaded = load(bytes ?? new Uint8Array());
  if (loaded.ending === 'damaged') {
    log.error('journal is damaged; what precedes the damage is kept', {
      path,
      keptBytes: loaded.goodBytes,
      lostBytes: loaded.totalBytes - loaded.goodBytes,
    });
  } else if (loaded.ending === 'torn') {
    log.warn('journal ends in a torn record, which is cut off', { path, keptBytes: loaded.goodBytes });
  }
  const fresh = loaded.goodBytes === 0;
  const file = fresh ? await disk.replace(path, magic) : await disk.open(path);
  if (fresh) await file.sync();
  return new FileJournal({ path, log, disk, file, loaded, reserveBytes });
}

type Change = [key: string] | [key: string, value: unknown];

interface Pending {
  record: Buffer;
  changes: readonly { key: string; value: unknown; bytes: number }[];
  resolve: () => void;
  reject: (error: JournalError) => void;
}

class FileJournal implements Journal {
  readonly #path: string;
  readonly #log: Logger;
  readonly #disk: Disk;
  #file: DiskFile;
  readonly #entries: Map<string, unknown>;
  /** Encoded size of each live entry, to know what a rewrite would save. */
  readonly #liveSizes: Map<string, number>;
  #liveBytes = 0;
  /** Where the next record goes. */
  #fileBytes: number;
  readonly #reserveBytes: number;
  /** How far the file reaches, with the zeros at its end. */
  #allocatedBytes: number;
  /** A rewrite that failed is not tried again before the file has grown to this. */
  #rewriteAboveBytes = garbageBytesMin;
  /** There may be bytes behind the last good record; they are cut off before the next write. */
  #tailUnclean = false;
  #pending: Pending[] = [];
  #flushing: Promise<void> | undefined;
  #closed = false;
  readonly damaged: boolean;
  bytesWritten = 0;

  constructor(options: {
    path: string;
    log: Logger;
    disk: Disk;
    file: DiskFile;
    loaded: Loaded;
    reserveBytes: number;
  }) {
    this.#path = options.path;
    this.#log = options.log;
    this.#disk = options.disk;
    this.#file = options.file;
    this.#entries = options.loaded.entries;
    this.#liveSizes = options.loaded.sizes;
    for (const size of this.#liveSizes.values()) this.#liveBytes += size;
    this.#fileBytes = Math.max(options.loaded.goodBytes, magic.length);
    this.#reserveBytes = options.reserveBytes;
    this.#allocatedBytes = Math.max(options.loaded.totalBytes, this.#fileBytes);
    this.#tailUnclean = options.loaded.ending !== 'whole';
    this.damaged = options.loaded.ending === 'damaged';
  }

  get entries(): ReadonlyMap<string, unknown> {
    return this.#entries;
  }

  write(changes: readonly JournalChange[]): Promise<void> {
    if (this.#closed) return Promise.reject(new JournalError('Closed', 'the journal is closed'));
    if (changes.length === 0) return this.#flushing ?? Promise.resolve();
    const encoded = changes.map(({ key, value }) => ({ key, value, bytes: encodeChange(key, value) }));
    const record = encodeRecord(encoded.map(({ bytes }) => bytes));
    if (record.length > recordBytesMax) {
      const message = `a write of ${record.length} bytes is above the journal's limit of ${recordBytesMax}`;
      return Promise.reject(new JournalError('TooLarge', message));
    }
    const sized = encoded.map(({ key, value, bytes }) => ({ key, value, bytes: bytes.length }));
    return new Promise((resolve, reject) => {
      this.#pending.push({ record, changes: sized, resolve, reject });
      this.#flushing ??= this.#flush();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#flushing;
    await this.#file.close();
  }

  async #flush(): Promise<void> {
    // Callers of the same turn share the first fsync.
    await Promise.resolve();
    while (this.#pending.length > 0) await this.#flushBatch(this.#pending.splice(0));
    // In the same turn as the last look: a write that comes later must begin a flush of its own.
    this.#flushing = undefined;
  }

  async #flushBatch(batch: readonly Pending[]): Promise<void> {
    try {
      await this.#append(Buffer.concat(batch.map(({ record }) => record)));
    } catch (error) {
      const failure = writeFailure(error);
      await this.#cutTail().catch(() => undefined);
      for (const { reject } of batch) reject(failure);
      return;
    }
    for (const { changes, resolve } of batch) {
      this.#apply(changes);
      resolve();
    }
    await this.#rewriteIfWorthwhile();
  }

  async #append(bytes: Buffer): Promise<void> {
    if (this.#tailUnclean) await this.#cutTail();
    this.#tailUnclean = true;
    await this.#file.write(bytes, this.#fileBytes);
    await this.#file.sync();
    this.#tailUnclean = false;
    this.#fileBytes += bytes.length;
    this.#allocatedBytes = Math.max(this.#allocatedBytes, this.#fileBytes);
    this.bytesWritten += bytes.length;
    await this.#reserve();
  }

  /** Room that is taken need not be there when it is wanted, so this may fail. */
  async #reserve(): Promise<void> {
    const wantedBytes = this.#fileBytes + this.#reserveBytes;
    if (this.#allocatedBytes - this.#fileBytes >= this.#reserveBytes / 2) return;
    const zeros = Buffer.alloc(wantedBytes - this.#allocatedBytes);
    try {
      await this.#file.write(zeros, this.#allocatedBytes);
      this.#allocatedBytes = wantedBytes;
      this.bytesWritten += zeros.length;
    } catch {
      await this.#file.truncate(this.#allocatedBytes).catch(() => undefined);
    }
  }

  /**
   * Else a later, shorter record would leave the end of a rejected one behind it, to be read as good one day. The room
   * that was taken stays.
   */
  async #cutTail(): Promise<void> {
    const keptBytes = Math.min(this.#allocatedBytes, this.#fileBytes + this.#reserveBytes);
    const zeros = Buffer.alloc(keptBytes - this.#fileBytes);
    if (zeros.length > 0) await this.#file.write(zeros, this.#fileBytes);
    await this.#file.truncate(keptBytes);
    if (zeros.length > 0) await this.#file.sync();
    this.#allocatedBytes = keptBytes;
    this.#tailUnclean = false;
  }

  #apply(changes: Pending['changes']): void {
    for (const { key, value, bytes } of changes) {
      this.#liveBytes -= this.#liveSizes.get(key) ?? 0;
      if (value === undefined) {
        this.#entries.delete(key);
        this.#liveSizes.delete(key);
      } else {
        this.#entries.set(key, value);
        this.#liveSizes.set(key, bytes + headerBytes);
        this.#liveBytes += bytes + headerBytes;
      }
    }
  }

  async #rewriteIfWorthwhile(): Promise<void> {
    const garbageBytes = this.#fileBytes - this.#liveBytes;
    if (garbageBytes <= Math.max(this.#rewriteAboveBytes, garbagePerLive * this.#liveBytes)) return;
    const records = [...this.#entries].map(([key, value]) => encodeRecord([encodeChange(key, value)]));
    const bytes = Buffer.concat([magic, ...records]);
    try {
      const replaced = await this.#disk.replace(this.#path, bytes);
      const old = this.#file;
      this.#file = replaced;
      this.#fileBytes = bytes.length;
      this.#allocatedBytes = bytes.length;
      this.#rewriteAboveBytes = garbageBytesMin;
      this.bytesWritten += bytes.length;
      await old.close();
      await replaced.sync();
      await this.#reserve();
    } catch (error) {
      this.#rewriteAboveBytes = garbageBytes + garbageBytesMin;
      this.#log.warn('journal could not be rewritten; it goes on growing', { path: this.#path, error });
    }
  }
}

interface Loaded {
  entries: Map<string, unknown>;
  sizes: Map<string, number>;
  goodBytes: number;
  totalBytes: number;
  /** torn: the last record is incomplete, as after a power cut. damaged: bytes before the end are wrong. */
  ending: 'whole' | 'torn' | 'damaged';
}

function load(bytes: Uint8Array): Loaded {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const loaded: Loaded = {
    entries: new Map(),
    sizes: new Map(),
    goodBytes: 0,
    totalBytes: buffer.length,
    ending: 'whole',
  };
  if (buffer.length === 0) return loaded;
  if (!buffer.subarray(0, magic.length).equals(magic)) {
    const torn = buffer.length < magic.length && magic.subarray(0, buffer.length).equals(buffer);
    return { ...loaded, ending: torn ? 'torn' : 'damaged' };
  }
  loaded.goodBytes = magic.length;
  while (loaded.goodBytes < buffer.length) {
    const changes = readRecord(buffer, loaded.goodBytes);
    if (!changes) {
      if (onlyZeros(buffer, loaded.goodBytes)) break;
      loaded.ending = tailIsTorn(buffer, loaded.goodBytes) ? 'torn' : 'damaged';
      break;
    }
    for (const change of changes.list) applyLoaded(loaded, change);
    loaded.goodBytes = changes.end;
  }
  return loaded;
}

function onlyZeros(buffer: Buffer, start: number): boolean {
  return buffer.subarray(start).every((byte) => byte === 0);
}

function applyLoaded({ entries, sizes }: Loaded, change: Change): void {
  const [key, value] = change;
  if (change.length === 1) {
    entries.delete(key);
    sizes.delete(key);
  } else {
    entries.set(key, value);
    sizes.set(key, encodeChange(key, value).length + headerBytes);
  }
}

function readRecord(buffer: Buffer, start: number): { list: Change[]; end: number } | undefined {
  if (buffer.length - start < headerBytes) return undefined;
  const length = buffer.readUInt32BE(start);
  const end = start + headerBytes + length;
  if (length === 0 || length > recordBytesMax || end > buffer.length) return undefined;
  const body = buffer.subarray(start + headerBytes, end);
  if (checksum(length, body) !== buffer.readUInt32BE(start + 4)) return undefined;
  return { list: codec.unpack(body) as Change[], end };
}

/**
 * A power cut leaves the front part of the last write, or zeros where blocks were allocated and not yet written.
 * Whatever still has a good record behind it was not cut off: it was written once, and is damaged.
 */
function tailIsTorn(buffer: Buffer, start: number): boolean {
  for (let at = start + 1; at + headerBytes <= buffer.length; at++) {
    // Bodies are arrays of arrays: one look spares the checksum at nearly every offset.
    const length = buffer.readUInt32BE(at);
    if (length === 0 || at + headerBytes + length > buffer.length) continue;
    const first = buffer[at + headerBytes] ?? 0;
    const isArray = (first >= 0x90 && first <= 0x9f) || first === 0xdc || first === 0xdd;
    if (isArray && readRecord(buffer, at)) return false;
  }
  return true;
}

function encodeRecord(changes: readonly Buffer[]): Buffer {
  const body = Buffer.concat([arrayHeader(changes.length), ...changes]);
  const header = Buffer.alloc(headerBytes);
  header.writeUInt32BE(body.length, 0);
  header.writeUInt32BE(checksum(body.length, body), 4);
  return Buffer.concat([header, body]);
}

/** Msgpack's `array 32`, so that changes are encoded once and their sizes are known. */
function arrayHeader(count: number): Buffer {
  const header = Buffer.alloc(5);
  header[0] = 0xdd;
  header.writeUInt32BE(count, 1);
  return header;
}

function encodeChange(key: string, value: unknown): Buffer {
  const change: Change = value === undefined ? [key] : [key, value];
  return codec.pack(change);
}

function checksum(length: number, body: Buffer): number {
  const lengthBytes = Buffer.alloc(4);
  lengthBytes.writeUInt32BE(length, 0);
  return crc32(body, crc32(lengthBytes));
}

function writeFailure(cause: unknown): JournalError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new JournalError('DiskFull', 'the disk is full; the write was not kept', { cause });
  }
  return new JournalError('WriteFailed', 'the disk refused the write, which was not kept', { cause });
}
