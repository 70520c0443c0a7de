/**
 * The one open LevelDB of a directory: reads that a reopening does not disturb, and writes that are whole or undone.
 *
 * A failed write leaves LevelDB's log torn: later writes would be taken, acknowledged, and dropped when the log is
 * read at the next start; or LevelDB refuses every write from then on. Either way only reopening helps. So after a
 * failure nothing is written until the disk has shown that it has room, the database was reopened, and what the
 * failed write may have left behind is deleted. Until then the old handle serves reads.
 * (docs/decisions/0011-failed-writes.md)
 */
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { StoreError } from './errors.ts';
import type { LevelLimits } from './limits.ts';

export type DiskOperation = { type: 'put'; key: string; value: Uint8Array } | { type: 'del'; key: string };

export interface LevelHandleOptions {
  directory: string;
  clock: Clock;
  log: Logger;
  limits: LevelLimits;
  /** Opens LevelDB, unless a test has one that fails. */
  openDatabase?: (directory: string, limits: LevelLimits) => Promise<Database>;
}

export type Database = ClassicLevel<string, Uint8Array>;

interface Failure {
  error: StoreError;
  /** Deletes what the failed write may have left. */
  undo: DiskOperation[];
  /** When recovery was last tried. */
  triedAt: number;
}

const spaceProbeName = 'space-probe';

export class LevelHandle {
  readonly #options: LevelHandleOptions;
  #database: Database | undefined;
  #failure: Failure | undefined;
  #closed = false;
  #readers = 0;
  #readersGone: (() => void) | undefined;
  /** Set while the database is being replaced; readers wait for it. */
  #reopening: Promise<void> | undefined;

  constructor(options: LevelHandleOptions) {
    this.#options = options;
  }

  /** Fails with `Locked`, or with `StorageFailed` when the directory cannot be used. */
  async open(): Promise<void> {
    const { directory } = this.#options;
    try {
      // Secrets lie in here in plain text.
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await rm(join(directory, spaceProbeName), { force: true });
    } catch (cause) {
      throw new StoreError('StorageFailed', `the data directory ${directory} is not usable: ${text(cause)}`, {
        cause,
      });
    }
    this.#database = await this.#openDatabase();
  }

  /** The values of `keys`, all as they are at the moment of the call. */
  readMany(keys: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    return this.#reading(async (database) => {
      const { readChunkEntries } = this.#options.limits;
      if (keys.length <= readChunkEntries) return database.getMany([...keys]);
      await using snapshot = database.snapshot();
      const values: (Uint8Array | undefined)[] = [];
      for (let at = 0; at < keys.length; at += readChunkEntries) {
        const chunk = await database.getMany(keys.slice(at, at + readChunkEntries), { snapshot });
        for (const value of chunk) values.push(value);
      }
      return values;
    });
  }

  /** Calls `visit` with every key and text value in the range, in byte order. */
  scan(range: { gte: string; lt: string }, visit: (key: string, value: string) => void): Promise<void> {
    return this.#reading(async (database) => {
      await using iterator = database.iterator<string, string>({
        ...range,
        valueEncoding: 'utf8',
        highWaterMarkBytes: scanBytes,
      });
      for (;;) {
        const entries = await iterator.nextv(scanEntries);
        if (entries.length === 0) return;
        for (const [key, value] of entries) visit(key, value);
      }
    });
  }

  /**
   * Writes all or nothing, durably if `sync`. One call at a time. After a failure the next calls fail at once until
   * recovery is due, which the call then tries first.
   */
  async write(operations: DiskOperation[], { sync }: { sync: boolean }): Promise<void> {
    if (this.#failure) await this.#recover(this.#failure);
    if (!this.#database) throw closed();
    try {
      await this.#database.batch(operations, { sync });
    } catch (cause) {
      const error = new StoreError('StorageFailed', `the disk failed to take a write: ${text(cause)}`, {
        cause,
      });
      this.#options.log.error('store cannot write', { directory: this.#options.directory, error });
      this.#failure = { error, undo: undoOf(operations), triedAt: this.#options.clock.monotonic() };
      throw error;
    }
  }

  /** Waits for running reads. No write may be running. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#reopening;
    await this.#readersDone();
    const database = this.#database;
    this.#database = undefined;
    await database?.close();
  }

  async #reading<T>(read: (database: Database) => Promise<T>): Promise<T> {
    // Not awaited unless needed: a read sees the database as of this very moment.
    if (!this.#database) await (this.#reopening ?? this.#recoverToRead());
    if (!this.#database) throw this.#failure && !this.#closed ? this.#failure.error : closed();
    this.#readers++;
    try {
      return await read(this.#database);
    } catch (cause) {
      throw new StoreError('StorageFailed', `the disk failed a read: ${text(cause)}`, { cause });
    } finally {
      this.#readers--;
      if (this.#readers === 0) this.#readersGone?.();
    }
  }

  /** Resolves when the store can be written again; rejects with `StorageFailed` when it cannot yet. */
  async #recover(failure: Failure): Promise<void> {
    const { clock, limits, log, directory } = this.#options;
    const now = clock.monotonic();
    if (now - failure.triedAt < limits.recoveryIntervalMs) throw failure.error;
    failure.triedAt = now;
    await this.#probeSpace(failure);
    this.#reopening ??= this.#reopen(failure);
    await this.#reopening;
    if (!this.#database) throw failure.error;
    // A turn of the disk after the waiting readers went on: what they read is not compacted in between.
    await this.#database.batch(failure.undo, { sync: true }).catch((cause: unknown) => {
      throw new StoreError('StorageFailed', `the disk still fails: ${text(cause)}`, { cause });
    });
    this.#failure = undefined;
    log.info('store can write again', { directory });
  }

  /** A read met a database that could not be reopened; whoever asks tries, as often as a write may. */
  async #recoverToRead(): Promise<void> {
    const failure = this.#failure;
    if (!failure || this.#closed) return;
    const now = this.#options.clock.monotonic();
    if (now - failure.triedAt < this.#options.limits.recoveryIntervalMs) return;
    failure.triedAt = now;
    this.#reopening ??= this.#reopen(failure);
    await this.#reopening;
  }

  async #reopen(failure: Failure): Promise<void> {
    const old = this.#database;
    this.#database = undefined;
    try {
      await this.#readersDone();
      await old?.close();
      this.#database = await this.#openDatabase();
    } catch (cause) {
      failure.error = new StoreError('StorageFailed', `the store cannot be reopened: ${text(cause)}`, {
        cause,
      });
      this.#options.log.error('store cannot be reopened', { error: failure.error });
    } finally {
      this.#reopening = undefined;
    }
  }

  /** Reopening writes what LevelDB holds in memory; a reopening that fails would cost the reads too. */
  async #probeSpace(failure: Failure): Promise<void> {
    const { directory, limits } = this.#options;
    const path = join(directory, spaceProbeName);
    const bytes = 3 * limits.writeBufferBytes;
    const chunk = Buffer.alloc(probeChunkBytes, 1);
    try {
      const file = await open(path, 'w');
      try {
        for (let at = 0; at < bytes; at += probeChunkBytes) await file.appendFile(chunk);
        await file.sync();
      } finally {
        await file.close();
      }
    } catch (cause) {
      const message = `the disk has no ${bytes} bytes free to go on writing: ${text(cause)}`;
      failure.error = new StoreError('StorageFailed', message, { cause });
      throw failure.error;
    } finally {
      await rm(path, { force: true }).catch(() => {});
    }
  }

  #openDatabase(): Promise<Database> {
    const { directory, limits, openDatabase = openLevel } = this.#options;
    return openDatabase(directory, limits);
  }

  #readersDone(): Promise<void> {
    if (this.#readers === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#readersGone = resolve;
    });
  }
}

const scanBytes = 1024 * 1024;
const scanEntries = 5_000;
const probeChunkBytes = 1024 * 1024;

export async function openLevel(directory: string, limits: LevelLimits): Promise<Database> {
  const database: Database = new ClassicLevel(directory, {
    keyEncoding: 'utf8',
    valueEncoding: 'view',
    cacheSize: limits.blockCacheBytes,
    writeBufferSize: limits.writeBufferBytes,
  });
  try {
    await database.open();
    return database;
  } catch (cause) {
    await database.close().catch(() => {});
    throw openError(directory, cause);
  }
}

export function closed(): StoreError {
  return new StoreError('Closed', 'the store is closed');
}

/** Every key is written once, so deleting it takes the write back. */
function undoOf(operations: readonly DiskOperation[]): DiskOperation[] {
  return operations.flatMap(({ type, key }) =>
    type === 'put' && !key.startsWith('m/') ? [{ type: 'del', key }] : [],
  );
}

function openError(directory: string, error: unknown): StoreError {
  const cause = error instanceof Error && error.cause ? error.cause : error;
  if (cause instanceof Error && 'code' in cause && cause.code === 'LEVEL_LOCKED') {
    return new StoreError(
      'Locked',
      `the data directory ${directory} is in use by another process: stop it, or choose another directory`,
      { cause },
    );
  }
  return new StoreError('StorageFailed', `the data directory ${directory} cannot be opened: ${text(cause)}`, {
    cause,
  });
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
