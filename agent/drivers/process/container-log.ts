import {
  appendFileSync,
  type FSWatcher,
  readFileSync,
  statSync,
  truncateSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock, Timer } from '../../../lib/clock.ts';
import { isMissing } from './container-folder.ts';
import { releaseBeginning } from './release-beginning.ts';

/**
 * A container's output. The process itself writes `log` (opened O_APPEND), so nothing of ours has to live for it to
 * be kept. What has become too old is given back to the file system as a hole at the file's beginning: the writer is
 * not disturbed, nothing is copied, and no byte is lost or moved. One to two limits' worth is kept, more while a
 * follower has not read it. Where no hole can be made (a full copy-on-write disk, a file system without holes) the
 * whole log is emptied, because room comes first.
 *
 * Nobody stamps the lines. Instead this file remembers when it saw the log grow (inotify; the first write after a
 * quiet second at once, then once a second): a line's time is when it was first seen, never earlier than written,
 * at most about a second late while the agent runs. What was written while no agent ran is dated by the file's last
 * change.
 *
 * Offsets are logical: they count from the container's first byte. `log.times` keeps `kept <offset of log's first
 * byte> <offset of the first byte kept>` and `<offset seen> <ms>` lines, appended at most every ten seconds.
 */
export interface LogLimits {
  keptBytesMin: number;
  /** Between two looks while nobody follows, and while somebody does. */
  lookMs: number;
  lookFollowedMs: number;
}

export const logLimitsDefault: LogLimits = {
  keptBytesMin: 10 * 1024 * 1024,
  lookMs: 1_000,
  lookFollowedMs: 50,
};

/** So many times the limit is kept for a follower that has not read it; kubelet keeps as many files. */
export const keptForFollowerMax = 5;
/** File systems end somewhere (ext4 at 16 TiB), and holes count: a log that was written this far begins again. */
const fileBytesMax = 2 ** 43;
const sightingsMax = 2_048;
const persistMs = 10_000;
/** Growth by this part of the limit between two looks is a flood: the next look comes as soon as for a follower. */
const floodPart = 1 / 8;

interface Sighting {
  /** The log reached to here … */
  end: number;
  /** … at this time. */
  timeMs: number;
}

interface LogOptions {
  clock: Clock;
  limits: LogLimits;
  release?: typeof releaseBeginning;
}

/** Somebody who reads what comes. */
export interface LogFollower extends Disposable {
  /** Read up to here. */
  position: number;
}

export class ContainerLog {
  readonly #file: string;
  readonly #clock: Clock;
  readonly #limits: LogLimits;
  readonly #release: typeof releaseBeginning;
  #base = 0;
  #start = 0;
  #sightings: Sighting[] = [];
  #persistedAtMs = 0;
  #watcher: FSWatcher | undefined;
  #timer: Timer | undefined;
  #observing = false;
  #trimming = false;
  readonly #followers = new Set<LogFollower>();
  #flooded = false;
  readonly #waiting = new Set<() => void>();

  constructor(folder: string, { clock, limits, release = releaseBeginning }: LogOptions) {
    this.#file = join(folder, 'log');
    this.#clock = clock;
    this.#limits = limits;
    this.#release = release;
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
    return this.#start;
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
      const [base, from] = [this.#base, Math.max(offset, this.#start)];
      const data = await readPart(this.#file, from - base, length);
      if (base === this.#base && from >= this.#start) return { offset: from, data };
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

  /** While held, growth is noticed soon instead of within a second, and more is kept of what was not read. */
  follow(position: number): LogFollower {
    const follower = {
      position,
      [Symbol.dispose]: () => {
        this.#followers.delete(follower);
        if (this.#observing) void this.#trim();
      },
    };
    this.#followers.add(follower);
    if (this.#observing) this.#look();
    return follower;
  }

  #look(): void {
    this.#note();
    this.#disarm();
    if (!this.#observing) return;
    void this.#trim();
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
    const soon = this.#followers.size > 0 || this.#flooded;
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
    this.#flooded = grown > this.#limits.keptBytesMin * floodPart;
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

  /** Gives back what is too old, a limit's worth or more at a time. */
  async #trim(): Promise<void> {
    const start = this.#startWanted();
    if (this.#trimming || start - this.#start < this.#limits.keptBytesMin) return;
    this.#trimming = true;
    this.#start = start;
    try {
      this.#writeTimes();
      if (start - this.#base > fileBytesMax || !(await this.#release(this.#file, start - this.#base)))
        this.#empty();
    } catch (error) {
      // Removed together with its container: nothing is left to do. Otherwise the next look tries again.
      if (!isMissing(error)) this.#persistedAtMs = 0;
    } finally {
      this.#trimming = false;
    }
  }

  #startWanted(): number {
    const { end } = this;
    const { keptBytesMin } = this.#limits;
    const read = Math.min(end, ...[...this.#followers].map(({ position }) => position));
    return Math.min(end - keptBytesMin, Math.max(read, end - keptForFollowerMax * keptBytesMin));
  }

  #empty(): void {
    this.#base += sizeOf(this.#file);
    this.#start = this.#base;
    truncateSync(this.#file);
    this.#writeTimes();
  }

  #writeTimes(): void {
    this.#sightings = this.#sightings.filter(({ end }) => end > this.#start);
    const lines = this.#sightings.map(({ end, timeMs }) => `${end} ${timeMs}\n`);
    try {
      writeFileSync(`${this.#file}.times`, `kept ${this.#base} ${this.#start}\n${lines.join('')}`, {
        mode: 0o600,
      });
    } catch (error) {
      // A full disk must not keep the room from being made that it lacks.
      if (isMissing(error)) throw error;
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
    const lines = wholeLines(`${this.#file}.times`);
    const [base = 0, start = 0] =
      /^kept (\d+) (\d+)$/
        .exec(lines[0] ?? '')
        ?.slice(1)
        .map(Number) ?? [];
    this.#base = base;
    this.#start = start;
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
