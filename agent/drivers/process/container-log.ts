import {
  appendFileSync,
  closeSync,
  type FSWatcher,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  watch,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock, Timer } from '../../../lib/clock.ts';
import { isMissing } from './container-folder.ts';

/**
 * A container's output. The process itself writes `log` (opened O_APPEND), so nothing of ours has to live for it to
 * be kept. When `log` grows past the limit the end of it becomes `log.1` and it is cut to nothing: about two limits'
 * worth is kept, and what is written in the microseconds between the last copy and the cut is lost. Of a flood only the
 * newest is kept; where the disk has no room for a copy nothing is, because room comes first.
 *
 * Nobody stamps the lines. Instead this file remembers when it saw the log grow (inotify; the first write after a
 * quiet second at once, then once a second): a line's time is when it was first seen, never earlier than written,
 * at most about a second late while the agent runs. What was written while no agent ran is dated by the file's last
 * change.
 *
 * Offsets are logical: they count from the container's first byte and go on across cuts. `log.times` keeps
 * `base <offset of log's first byte>` and `<offset seen> <ms>` lines, appended at most every ten seconds.
 */
export interface LogLimits {
  fileBytesMax: number;
  /** Between two looks while nobody follows, and while somebody does. */
  lookMs: number;
  lookFollowedMs: number;
}

export const logLimitsDefault: LogLimits = {
  fileBytesMax: 10 * 1024 * 1024,
  lookMs: 1_000,
  lookFollowedMs: 50,
};

const sightingsMax = 2_048;
const persistMs = 10_000;
const copyBytes = 64 * 1024;
/** Growth by this part of the limit between two looks is a flood: the next look comes as soon as for a follower. */
const floodPart = 1 / 8;

interface Sighting {
  /** The log reached to here … */
  end: number;
  /** … at this time. */
  timeMs: number;
}

export class ContainerLog {
  readonly #file: string;
  readonly #clock: Clock;
  readonly #limits: LogLimits;
  #base = 0;
  #sightings: Sighting[] = [];
  #persistedAtMs = 0;
  #watcher: FSWatcher | undefined;
  #timer: Timer | undefined;
  #observing = false;
  #rotating = false;
  #followers = 0;
  #flooded = false;
  readonly #waiting = new Set<() => void>();

  constructor(folder: string, { clock, limits }: { clock: Clock; limits: LogLimits }) {
    this.#file = join(folder, 'log');
    this.#clock = clock;
    this.#limits = limits;
    this.#load();
  }

  /** Keeps the size in bounds and notes times from now on; costs nothing while nothing is written. */
  observe(): void {
    if (this.#observing) return;
    this.#observing = true;
    this.#look();
  }

  /** The container has ended or the driver lets go: a last look, then no more. */
  conclude(): void {
    if (this.#observing) this.#note();
    this.#observing = false;
    this.#disarm();
    this.#wake();
  }

  /** First byte still kept. */
  get start(): number {
    return this.#base - sizeOf(`${this.#file}.1`);
  }

  get end(): number {
    return this.#base + sizeOf(this.#file);
  }

  /** When the byte at `offset` was first seen. */
  timeAt(offset: number): number {
    const sighting = this.#sightings[this.#firstBeyond(offset)];
    return sighting?.timeMs ?? changedAtMs(this.#file) ?? this.#clock.now();
  }

  /** Everything from here on was, as far as is known, written at or after `timeMs`. */
  offsetAtTime(timeMs: number): number {
    const before = this.#sightings.findLast((sighting) => sighting.timeMs < timeMs);
    if (before) return before.end;
    const changedMs = changedAtMs(this.#file);
    return changedMs !== undefined && changedMs < timeMs ? this.end : this.start;
  }

  /**
   * At most `length` bytes; none at the end. What was cut away meanwhile is skipped: `offset` tells where the bytes
   * really start.
   */
  async read(offset: number, length: number): Promise<{ offset: number; data: Buffer }> {
    for (;;) {
      const base = this.#base;
      const from = Math.max(offset, this.start);
      const older = from < base;
      const data = older
        ? await readPart(`${this.#file}.1`, from - this.start, Math.min(length, base - from))
        : await readPart(this.#file, from - base, length);
      if (base === this.#base) return { offset: from, data };
    }
  }

  /** Resolves when there may be more than `end`, when the log is concluded, or when aborted. */
  async changed(end: number, signal: AbortSignal): Promise<void> {
    if (this.end > end || signal.aborted || !this.#observing) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#waiting.add(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }

  /** While held, growth is noticed soon instead of within a second. */
  follow(): Disposable {
    this.#followers++;
    if (this.#observing) this.#look();
    return { [Symbol.dispose]: () => void this.#followers-- };
  }

  #look(): void {
    this.#note();
    this.#disarm();
    if (!this.#observing) return;
    if (sizeOf(this.#file) > this.#limits.fileBytesMax) void this.#rotate();
    this.#arm();
    // What came between the look and the arming would otherwise wait for the next write.
    if (this.end > (this.#sightings.at(-1)?.end ?? 0)) this.#lookLater();
  }

  #arm(): void {
    try {
      this.#watcher = watch(this.#file, { persistent: false }, () => this.#lookLater());
      this.#watcher.on('error', () => this.#lookLater());
    } catch {
      this.#timer = this.#clock.after(this.#limits.lookMs, () => this.#look(), { unref: true });
    }
  }

  /** Notes at once, then is blind for a moment, so that a busy log costs one look a second. */
  #lookLater(): void {
    this.#note();
    this.#disarm();
    const soon = this.#followers > 0 || this.#flooded;
    const delayMs = soon ? this.#limits.lookFollowedMs : this.#limits.lookMs;
    this.#timer = this.#clock.after(delayMs, () => this.#look(), { unref: true });
  }

  #disarm(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #note(): void {
    const { end } = this;
    const grown = end - (this.#sightings.at(-1)?.end ?? 0);
    this.#flooded = grown > this.#limits.fileBytesMax * floodPart;
    if (grown <= 0) return;
    this.#sightings.push({ end, timeMs: this.#clock.now() });
    if (this.#sightings.length > sightingsMax)
      this.#sightings = this.#sightings.filter((_, index) => index % 2 === 1);
    this.#persist();
    this.#wake();
  }

  #wake(): void {
    for (const done of this.#waiting) done();
  }

  #firstBeyond(offset: number): number {
    let low = 0;
    let high = this.#sightings.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#sightings[middle]?.end ?? 0) > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  async #rotate(): Promise<void> {
    if (this.#rotating) return;
    this.#rotating = true;
    try {
      this.#base += await this.#cut();
      this.#sightings = this.#sightings.filter(({ end }) => end > this.start);
      const lines = this.#sightings.map(({ end, timeMs }) => `${end} ${timeMs}\n`);
      writeFileSync(`${this.#file}.times`, `base ${this.#base}\n${lines.join('')}`, { mode: 0o600 });
    } catch (error) {
      // Removed together with its container: the next look finds out.
      if (!isMissing(error)) this.#persistedAtMs = 0;
    } finally {
      this.#rotating = false;
    }
  }

  /** Returns by how much the log's first byte moved. */
  async #cut(): Promise<number> {
    const copy = `${this.#file}.1.new`;
    try {
      const from = Math.max(0, sizeOf(this.#file) - this.#limits.fileBytesMax);
      await copyFrom(this.#file, copy, from);
      return cutAfterCopy(this.#file, copy, { from, bytesMax: this.#limits.fileBytesMax });
    } catch (error) {
      if (isMissing(error)) throw error;
      for (const file of [copy, `${this.#file}.1`]) rmSync(file, { recursive: true, force: true });
      const lost = sizeOf(this.#file);
      truncateSync(this.#file);
      return lost;
    }
  }

  #persist(): void {
    const last = this.#sightings.at(-1);
    if (!last || Math.abs(last.timeMs - this.#persistedAtMs) < persistMs) return;
    this.#persistedAtMs = last.timeMs;
    try {
      appendFileSync(`${this.#file}.times`, `${last.end} ${last.timeMs}\n`, { mode: 0o600 });
    } catch {
      // Times are a convenience: a full disk must not stop anything.
    }
  }

  #load(): void {
    this.#base = sizeOf(`${this.#file}.1`);
    const lines = wholeLines(`${this.#file}.times`);
    const base = Number(/^base (\d+)$/.exec(lines[0] ?? '')?.[1] ?? this.#base);
    this.#base = Math.max(base, this.#base);
    const end = this.end;
    this.#sightings = lines
      .map((line) => line.split(' ').map(Number))
      .filter(([offset, timeMs]) => Number.isInteger(offset) && Number.isInteger(timeMs))
      .map(([offset, timeMs]) => ({ end: offset ?? 0, timeMs: timeMs ?? 0 }))
      .filter((sighting) => sighting.end <= end);
    const changedMs = changedAtMs(this.#file);
    if (changedMs !== undefined && end > (this.#sightings.at(-1)?.end ?? 0))
      this.#sightings.push({ end, timeMs: changedMs });
  }
}

/** The bytes of `file` from `from` on become `copy`. */
async function copyFrom(file: string, copy: string, from: number): Promise<void> {
  await using source = await open(file, 'r');
  const { size } = await source.stat();
  await using target = await open(copy, 'w', 0o600);
  const buffer = Buffer.alloc(copyBytes);
  for (let at = from; at < size; ) {
    const { bytesRead } = await source.read(buffer, 0, Math.min(copyBytes, size - at), at);
    if (bytesRead === 0) return;
    await target.writeFile(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
}

/**
 * Copies at most `bytesMax` of what was written since the copy began, puts the copy in its place and empties the log.
 * Returns up to where in the log the copy goes.
 */
function cutAfterCopy(
  file: string,
  copy: string,
  { from, bytesMax }: { from: number; bytesMax: number },
): number {
  const source = openSync(file, 'r+');
  const target = openSync(copy, 'a');
  try {
    const buffer = Buffer.alloc(copyBytes);
    const before = from + fstatSync(target).size;
    let copied = before;
    while (copied < before + bytesMax) {
      const length = readSync(source, buffer, 0, copyBytes, copied);
      if (length === 0) break;
      writeSync(target, buffer, 0, length);
      copied += length;
    }
    ftruncateSync(source);
    renameSync(copy, `${file}.1`);
    return copied;
  } finally {
    closeSync(source);
    closeSync(target);
  }
}

async function readPart(file: string, position: number, length: number): Promise<Buffer> {
  try {
    await using handle = await open(file, 'r');
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position);
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    if (isMissing(error)) return Buffer.alloc(0);
    throw error;
  }
}

function wholeLines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n').slice(0, -1);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

function changedAtMs(file: string): number | undefined {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat && Math.round(stat.mtimeMs);
}
