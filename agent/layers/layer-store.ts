import { createHash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat, statfs, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import { type Arrival, type BlobSource, fetchBlob } from './fetch-blob.ts';
import { type Blob, isDigest } from './image-manifest.ts';
import { LayerError } from './layer-error.ts';

/**
 * Blobs by their digest in a folder of limited size: whole ones in `blobs/`, and in `partial/` what has come of others, which
 * goes on from there after a cut, a restart or a power cut. What nobody holds goes when room is needed, the longest unused first.
 */
export interface LayerStore extends Disposable {
  /** The whole blob from here or from the sources, one transfer for all who ask at a time. Rejects as `fetchBlob` does, or with LayerError `NoRoom`. */
  fetch(blob: Blob, sources: readonly BlobSource[], options: FetchOptions): Promise<HeldLayer>;
  /** Undefined when it is not here as a whole. */
  hold(digest: string): HeldLayer | undefined;
  has(digest: string): boolean;
  /** It is coming from a registry now: who waits for it here spares the way there. */
  isArriving(digest: string): boolean;
  /** Whether it could be fetched at all within the limit and the room on the disk. */
  takes(bytes: number): Promise<boolean>;
  /**
   * What a whole blob holds from `offset` on. A card may have gone bad: read from its beginning it is checked, and the last part of one
   * that is not what it was is never given; it throws LayerError `WrongContent` and the blob goes.
   */
  read(layer: HeldLayer, offset?: number): AsyncIterable<Uint8Array>;
  /** At once, or when nobody holds it any more. */
  discard(digest: string): Promise<void>;
  /** Everything that nobody holds goes. Resolves to the bytes that this freed. */
  clear(): Promise<number>;
  /** Of what is here, in parts or whole. */
  readonly bytes: number;
}

/** A blob that stays until this is disposed. */
export interface HeldLayer extends Disposable {
  readonly path: string;
  readonly digest: string;
  readonly sizeBytes: number;
}

export interface FetchOptions {
  signal: AbortSignal;
  onArrival?: (arrival: Arrival) => void;
}

export interface LayerStoreOptions {
  folder: string;
  bytesMax: number;
  clock: Clock;
  random: Random;
  log: Logger;
}

/** Of the disk: more than where pods are evicted for want of it, since layers can be had again. */
const diskLeftPercent = 12;
const dayMs = 24 * 60 * 60_000;
/** What nobody has asked for in this time goes at the next start. */
const unusedMsMax = { partial: 7 * dayMs, blobs: 30 * dayMs } as const;

export async function openLayerStore(options: LayerStoreOptions): Promise<LayerStore> {
  const store = new FolderStore(options);
  await store.load();
  return store;
}

interface Stored {
  bytes: number;
  /** Orders what is used least; wall clock, for it is the time of the file after a restart. */
  usedAt: number;
  holds: number;
  unwanted: boolean;
}

interface Flight {
  ended: Promise<void>;
  abort: AbortController;
  listeners: Set<(arrival: Arrival) => void>;
  /** When it is whole. */
  bytes: number;
  waiting: number;
  /** What came last came from a registry. */
  fromAfar: boolean;
}

class FolderStore implements LayerStore {
  readonly #options: LayerStoreOptions;
  readonly #whole = new Map<string, Stored>();
  readonly #partial = new Map<string, Stored>();
  readonly #flights = new Map<string, Flight>();
  readonly #ended = new AbortController();

  constructor(options: LayerStoreOptions) {
    this.#options = options;
  }

  async load(): Promise<void> {
    const { clock, log } = this.#options;
    for (const [kind, known] of [
      ['blobs', this.#whole],
      ['partial', this.#partial],
    ] as const) {
      const folder = join(this.#options.folder, kind);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      for (const name of await readdir(folder)) {
        const found = await stat(join(folder, name)).catch(() => undefined);
        if (!found?.isFile() || !isDigest(`sha256:${name}`)) continue;
        const digest = `sha256:${name}`;
        known.set(digest, stored(found.size, found.mtimeMs));
        if (clock.now() - found.mtimeMs > unusedMsMax[kind]) await this.#remove(kind, digest);
      }
    }
    await this.#makeRoom(0);
    if (this.#whole.size > 0) log.debug('layers found', { layers: this.#whole.size, bytes: this.bytes });
  }

  get bytes(): number {
    return [...this.#whole.values(), ...this.#partial.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  isArriving(digest: string): boolean {
    return this.#flights.get(digest)?.fromAfar ?? false;
  }

  has(digest: string): boolean {
    return this.#whole.has(digest);
  }

  hold(digest: string): HeldLayer | undefined {
    const found = this.#whole.get(digest);
    if (!found) return undefined;
    const now = this.#options.clock.now();
    const path = this.#path('blobs', digest);
    found.holds += 1;
    found.usedAt = now;
    void utimes(path, now / 1000, now / 1000).catch(() => undefined);
    let released = false;
    const release = () => {
      if (released) return;
      released = true;
      found.holds -= 1;
      if (found.unwanted && found.holds === 0) void this.#remove('blobs', digest);
    };
    return { path, digest, sizeBytes: found.bytes, [Symbol.dispose]: release };
  }

  async fetch(blob: Blob, sources: readonly BlobSource[], options: FetchOptions): Promise<HeldLayer> {
    const { signal, onArrival } = options;
    for (;;) {
      signal.throwIfAborted();
      const found = this.hold(blob.digest);
      if (found) return found;
      const known = this.#flights.get(blob.digest);
      if (known?.abort.signal.aborted) {
        await known.ended.catch(() => undefined);
        continue;
      }
      const flight = known ?? this.#begin(blob, sources);
      if (onArrival) flight.listeners.add(onArrival);
      await waitFor(flight, signal).finally(() => onArrival && flight.listeners.delete(onArrival));
    }
  }

  async takes(bytes: number): Promise<boolean> {
    return bytes <= this.#options.bytesMax && bytes <= (await this.#diskBytes()) + this.bytes;
  }

  async *read(layer: HeldLayer, offset = 0): AsyncGenerator<Uint8Array> {
    const hash = createHash('sha256');
    let last: Buffer | undefined;
    for await (const part of createReadStream(layer.path, { start: offset })) {
      const chunk = part as Buffer;
      if (offset === 0) hash.update(chunk);
      if (last) yield last;
      last = chunk;
    }
    if (offset === 0 && `sha256:${hash.digest('hex')}` !== layer.digest) {
      this.#options.log.warn('a stored layer is not what it was', { digest: layer.digest });
      await this.discard(layer.digest);
      throw new LayerError('WrongContent', `${layer.digest} has gone bad on this device`);
    }
    if (last) yield last;
  }

  async discard(digest: string): Promise<void> {
    const found = this.#whole.get(digest);
    if (!found) return;
    if (found.holds > 0) found.unwanted = true;
    else await this.#remove('blobs', digest);
  }

  async clear(): Promise<number> {
    const before = this.bytes;
    for (const [digest, { holds }] of this.#whole) if (holds === 0) await this.#remove('blobs', digest);
    for (const digest of this.#partial.keys())
      if (!this.#flights.has(digest)) await this.#remove('partial', digest);
    return before - this.bytes;
  }

  [Symbol.dispose](): void {
    this.#ended.abort(new Error('the agent is stopping'));
  }

  #begin(blob: Blob, sources: readonly BlobSource[]): Flight {
    const abort = new AbortController();
    const signal = AbortSignal.any([abort.signal, this.#ended.signal]);
    const listeners: Flight['listeners'] = new Set();
    const ended = Promise.resolve();
    const flight: Flight = { abort, listeners, bytes: blob.size, waiting: 0, ended, fromAfar: false };
    this.#flights.set(blob.digest, flight);
    flight.ended = this.#transfer(blob, sources, signal, (arrival) => {
      flight.fromAfar = !arrival.from.isPeer;
      for (const listener of listeners) listener(arrival);
    }).finally(() => this.#flights.delete(blob.digest));
    flight.ended.catch(() => {});
    return flight;
  }

  async #transfer(
    blob: Blob,
    sources: readonly BlobSource[],
    signal: AbortSignal,
    onArrival: (arrival: Arrival) => void,
  ): Promise<void> {
    const { clock, random } = this.#options;
    const path = this.#path('partial', blob.digest);
    await this.#makeRoom(blob.size - (this.#partial.get(blob.digest)?.bytes ?? 0));
    {
      await using file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
      try {
        await fetchBlob(blob, sources, { file, clock, random, signal, onArrival });
      } finally {
        this.#partial.set(blob.digest, stored((await file.stat()).size, clock.now()));
      }
    }
    await rename(path, this.#path('blobs', blob.digest));
    this.#partial.delete(blob.digest);
    this.#whole.set(blob.digest, stored(blob.size, clock.now()));
  }

  /** Removes what is used least until `more` bytes may come, beside what is under way. */
  async #makeRoom(more: number): Promise<void> {
    const { bytesMax } = this.#options;
    const idle = [
      ...[...this.#partial].map(([digest, found]) => ({ kind: 'partial' as const, digest, ...found })),
      ...[...this.#whole].map(([digest, found]) => ({ kind: 'blobs' as const, digest, ...found })),
    ]
      .filter(({ digest, holds }) => holds === 0 && !this.#flights.has(digest))
      .sort((one, other) => one.usedAt - other.usedAt);
    let diskBytes = await this.#diskBytes();
    for (const { kind, digest, bytes } of idle) {
      if (this.#promised <= bytesMax && diskBytes >= more) break;
      await this.#remove(kind, digest);
      diskBytes += bytes;
    }
    if (more > 0 && this.#promised > bytesMax)
      throw new LayerError(
        'NoRoom',
        `layers may take ${bytesMax} bytes on this device (--layers-max), which is not enough`,
      );
    if (diskBytes < more) throw new LayerError('NoRoom', 'the disk has no room for more layers');
  }

  /** What it will be when all that is under way has come. */
  get #promised(): number {
    const idle = [...this.#partial].filter(([digest]) => !this.#flights.has(digest));
    return [...this.#whole.values(), ...idle.map(([, found]) => found), ...this.#flights.values()].reduce(
      (sum, { bytes }) => sum + bytes,
      0,
    );
  }

  async #diskBytes(): Promise<number> {
    const { bavail, blocks, bsize } = await statfs(this.#options.folder);
    return bavail * bsize - (blocks * bsize * diskLeftPercent) / 100;
  }

  async #remove(kind: 'blobs' | 'partial', digest: string): Promise<void> {
    (kind === 'blobs' ? this.#whole : this.#partial).delete(digest);
    await rm(this.#path(kind, digest), { force: true });
  }

  #path(kind: 'blobs' | 'partial', digest: string): string {
    return join(this.#options.folder, kind, digest.slice('sha256:'.length));
  }
}

/** The last one to give up ends the transfer. */
async function waitFor(flight: Flight, signal: AbortSignal): Promise<void> {
  const { promise: given, reject } = Promise.withResolvers<never>();
  const giveUp = () => reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
  signal.addEventListener('abort', giveUp, { once: true });
  flight.waiting += 1;
  try {
    await Promise.race([flight.ended, given]);
  } finally {
    signal.removeEventListener('abort', giveUp);
    flight.waiting -= 1;
    if (flight.waiting === 0) flight.abort.abort(new Error('nobody waits for it any more'));
  }
}

function stored(bytes: number, usedAt: number): Stored {
  return { bytes, usedAt, holds: 0, unwanted: false };
}
