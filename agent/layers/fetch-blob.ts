import { createHash, type Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { backoffMs } from '../../lib/backoff.ts';
import { type Clock, sleep, type Timer } from '../../lib/clock.ts';
import type { Random } from '../../lib/random.ts';
import type { Blob } from './image-manifest.ts';
import { LayerError } from './layer-error.ts';

/** Who may have a blob: a device nearby, or a registry. */
export interface BlobSource {
  /** The device's name or the registry's host. */
  readonly name: string;
  readonly isPeer: boolean;
  /**
   * The blob from `offset` on. `from` is where the answer really begins: 0 from one that knows no ranges. The body ends, or
   * throws, when the connection does. Until it opens a source has time limits of its own.
   * @throws LayerError
   */
  open(blob: Blob, options: { offset: number; signal: AbortSignal }): Promise<BlobAnswer>;
}

export interface BlobAnswer {
  from: number;
  body: AsyncIterable<Uint8Array>;
}

export interface Arrival {
  /** Since the last call. */
  bytes: number;
  from: BlobSource;
}

export interface FetchBlobOptions {
  /** What came earlier is in it and counts. */
  file: FileHandle;
  clock: Clock;
  random: Random;
  signal: AbortSignal;
  onArrival: (arrival: Arrival) => void;
}

/** How often a source is asked in a row without a byte coming, and how long is waited in between. */
const fruitlessMax = 4;
const retryBackoff = { baseMs: 1_000, capMs: 15_000 };
/** A connection over which nothing comes for so long counts as cut. */
const stallMs = 30_000;

/**
 * Fills the file with the blob. The sources are asked in their order; one that is cut is asked again from where it stopped. What
 * has come stays in the file when this throws. What does not have the blob's digest in the end is thrown away with
 * everybody's parts, and the next source is asked for all of it.
 * @throws LayerError, of the last source; the signal's reason.
 */
export async function fetchBlob(
  blob: Blob,
  sources: readonly BlobSource[],
  options: FetchBlobOptions,
): Promise<void> {
  const { file, signal } = options;
  const given = await beginning(file, blob);
  const transfer: Transfer = { ...given, by: new Set() };
  const left = [...sources];
  let failure = new LayerError('NotFound', `nobody was asked for ${blob.digest}`);
  for (let source = left.shift(); source; source = left.shift()) {
    signal.throwIfAborted();
    try {
      await drain(blob, source, transfer, options);
      return;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof LayerError)) throw error;
      // Devices that have not got it are the normal case and say nothing about what is wrong.
      if (!source.isPeer || failure.code === 'NotFound') failure = error;
      if (error.code === 'NoRoom') throw error;
      if (error.code !== 'WrongContent') continue;
      const { by, resumed } = transfer;
      // Where several had a part in it nobody knows who was wrong: a registry may show by itself.
      if (!by.has(source) || (!source.isPeer && (by.size > 1 || resumed))) left.unshift(source);
      await startOver(file, transfer);
    }
  }
  throw failure;
}

interface Transfer {
  offset: number;
  hash: Hash;
  /** Something of it came in an earlier attempt. */
  resumed: boolean;
  /** Who gave what there is. */
  by: Set<BlobSource>;
}

async function beginning(file: FileHandle, blob: Blob): Promise<Omit<Transfer, 'by'>> {
  const { size } = await file.stat();
  const hash = createHash('sha256');
  if (size > blob.size) {
    await file.truncate(0);
    return { offset: 0, hash, resumed: false };
  }
  const buffer = Buffer.allocUnsafe(64 * 1024);
  let offset = 0;
  while (offset < size) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
    if (bytesRead === 0) break;
    hash.update(buffer.subarray(0, bytesRead));
    offset += bytesRead;
  }
  return { offset, hash, resumed: offset > 0 };
}

async function startOver(file: FileHandle, transfer: Transfer): Promise<void> {
  await file.truncate(0);
  transfer.offset = 0;
  transfer.hash = createHash('sha256');
  transfer.resumed = false;
  transfer.by = new Set();
}

/** All that is missing, from this source. */
async function drain(
  blob: Blob,
  source: BlobSource,
  transfer: Transfer,
  options: FetchBlobOptions,
): Promise<void> {
  const { clock, random, signal, file } = options;
  let fruitless = 0;
  while (transfer.offset < blob.size) {
    const before = transfer.offset;
    try {
      await once(blob, source, transfer, options);
    } catch (error) {
      if (signal.aborted || !(error instanceof LayerError) || error.code !== 'Unreachable') throw error;
      fruitless = transfer.offset > before ? 1 : fruitless + 1;
      // A device nearby is no loss: the next source is asked.
      if (fruitless >= fruitlessMax || source.isPeer) throw error;
      await sleep(clock, backoffMs(fruitless, { ...retryBackoff, jitter: random }), signal);
    }
  }
  const found = `sha256:${transfer.hash.copy().digest('hex')}`;
  if (found !== blob.digest)
    throw new LayerError('WrongContent', `${source.name} gave ${found} where ${blob.digest} was asked for`);
  await file.datasync();
}

/** One answer, to its end or until it is cut. */
async function once(
  blob: Blob,
  source: BlobSource,
  transfer: Transfer,
  { file, clock, signal, onArrival }: FetchBlobOptions,
): Promise<void> {
  using stalled = abortWhenStalled(clock, signal, () => transfer.offset);
  const within = { offset: transfer.offset, signal: stalled.signal };
  try {
    const { from, body } = await source.open(blob, within);
    stalled.begin();
    if (from !== 0 && from !== transfer.offset)
      throw new LayerError('Unreachable', `${source.name} answered with another part than was asked for`);
    if (from !== transfer.offset) await startOver(file, transfer);
    for await (const chunk of body) {
      if (transfer.offset + chunk.length > blob.size)
        throw new LayerError('WrongContent', `${source.name} gave more than the ${blob.size} bytes it is`);
      await file.write(chunk, 0, chunk.length, transfer.offset);
      transfer.hash.update(chunk);
      transfer.offset += chunk.length;
      transfer.by.add(source);
      onArrival({ bytes: chunk.length, from: source });
    }
  } catch (cause) {
    if (signal.aborted || cause instanceof LayerError) throw cause;
    if (isOfDisk(cause))
      throw new LayerError('NoRoom', `layers cannot be written: ${(cause as Error).message}`, { cause });
    const words = stalled.signal.aborted ? `nothing came for ${stallMs / 1000} s` : (cause as Error).message;
    throw new LayerError('Unreachable', `${source.name} was cut off: ${words}`, { cause });
  }
  if (transfer.offset < blob.size)
    throw new LayerError(
      'Unreachable',
      `${source.name} ended after ${transfer.offset} of ${blob.size} bytes`,
    );
}

/** No source's fault, and no other source would help. */
function isOfDisk(error: unknown): boolean {
  const { code, syscall } = error as NodeJS.ErrnoException;
  return (
    syscall === 'write' && (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EIO' || code === 'EROFS')
  );
}

function abortWhenStalled(
  clock: Clock,
  outer: AbortSignal,
  progress: () => number,
): Disposable & { signal: AbortSignal; begin(): void } {
  const stalled = new AbortController();
  let seen = progress();
  let timer: Timer | undefined;
  const look = () => {
    if (progress() === seen) return stalled.abort(new Error('stalled'));
    seen = progress();
    timer = clock.after(stallMs, look, { unref: true });
  };
  return {
    signal: AbortSignal.any([outer, stalled.signal]),
    begin: () => (timer = clock.after(stallMs, look, { unref: true })),
    [Symbol.dispose]: () => timer?.cancel(),
  };
}
