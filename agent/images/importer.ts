import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock, Timer } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Journal } from '../desired/journal.ts';
import type { ImageStore } from '../drivers/driver.ts';
import { DriverError } from '../drivers/errors.ts';
import type { Announcement } from '../pods/pod-events.ts';
import { durationWords } from './words.ts';

export interface ImporterOptions {
  /** `import/` in it is looked at. */
  dataDir: string;
  store: ImageStore;
  journal: Journal;
  clock: Clock;
  log: Logger;
  /** Of the node. */
  announce: (announcement: Announcement) => void;
  onImported: () => void;
}

const lookMs = 10_000;
/** A file that is being copied changes within this time. */
const settledMs = 2_000;
const keyPrefix = 'image-import/';
const filesMax = 100;
const namesToldMax = 10;

/**
 * Takes in archives of images that somebody has put into a folder of the device, on its card or a stick: no network is
 * needed. A file is taken once, and again when it has changed; it stays, and as long as it does its images do.
 */
export class Importer {
  readonly #options: ImporterOptions;
  readonly #abort = new AbortController();
  /** By file name: what it was like at the last look. */
  readonly #seen = new Map<string, string>();
  /** Those that could not be taken in, as they were then. */
  readonly #refused = new Map<string, string>();
  #timer: Timer | undefined;

  constructor(options: ImporterOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    void this.#look();
  }

  stop(): void {
    this.#abort.abort(new Error('the agent is stopping'));
    this.#timer?.cancel();
  }

  /** Names of the images whose archives are there. */
  imported(): string[] {
    return [...this.#options.journal.entries].flatMap(([key, value]) =>
      key.startsWith(keyPrefix) ? (parseRecord(value)?.names ?? []) : [],
    );
  }

  get #folder(): string {
    return join(this.#options.dataDir, 'import');
  }

  async #look(): Promise<void> {
    const { clock, log } = this.#options;
    let changing = false;
    try {
      changing = await this.#lookAtFiles();
    } catch (error) {
      if (!this.#abort.signal.aborted)
        log.warn('the folder of images to import could not be read', { error });
    }
    if (this.#abort.signal.aborted) return;
    this.#timer = clock.after(changing ? settledMs : lookMs, () => void this.#look(), { unref: true });
  }

  /** Whether one may still be growing. */
  async #lookAtFiles(): Promise<boolean> {
    const all = (await readdir(this.#folder)).filter((name) => /\.(?:tar|tar\.gz|tgz)$/.test(name));
    const names = all.sort().slice(0, filesMax);
    await this.#forgetAllBut(new Set(names));
    let changing = false;
    for (const name of names) {
      const stamp = await stampOf(join(this.#folder, name));
      if (stamp === undefined || this.#isDone(name, stamp)) continue;
      if (this.#seen.get(name) === stamp) await this.#take(name, stamp);
      else changing = true;
      this.#seen.set(name, stamp);
    }
    return changing;
  }

  #isDone(name: string, stamp: string): boolean {
    const record = parseRecord(this.#options.journal.entries.get(keyPrefix + name));
    return record?.stamp === stamp || this.#refused.get(name) === stamp;
  }

  async #take(name: string, stamp: string): Promise<void> {
    const { store, journal, clock, log, announce, onImported } = this.#options;
    const begunAtMs = clock.monotonic();
    try {
      const names = await store.load(join(this.#folder, name), this.#abort.signal);
      await journal.write([{ key: keyPrefix + name, value: { stamp, names } }]);
      const took = durationWords(clock.monotonic() - begunAtMs);
      const told = names.slice(0, namesToldMax).join(', ');
      announce({
        type: 'Normal',
        reason: 'ImageImported',
        message: `Imported ${name}: ${told || 'no name'}, in ${took}`,
      });
      log.info('images imported', { file: name, names });
      onImported();
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      // Nothing is said of the archive while the engine is not there; it is tried again.
      if (error instanceof DriverError && error.code === 'RuntimeUnavailable') throw error;
      this.#refused.set(name, stamp);
      const reason = error instanceof Error ? error.message : String(error);
      announce({
        type: 'Warning',
        reason: 'ImageImportFailed',
        message: `${name} is not an archive of images that can be taken in: ${reason}`,
      });
      log.warn('images could not be imported', { file: name, error });
    }
  }

  async #forgetAllBut(names: ReadonlySet<string>): Promise<void> {
    const { journal } = this.#options;
    const gone = [...journal.entries.keys()].filter(
      (key) => key.startsWith(keyPrefix) && !names.has(key.slice(keyPrefix.length)),
    );
    for (const name of [...this.#seen.keys(), ...this.#refused.keys()])
      if (!names.has(name)) {
        this.#seen.delete(name);
        this.#refused.delete(name);
      }
    if (gone.length > 0) await journal.write(gone.map((key) => ({ key, value: undefined })));
  }
}

function parseRecord(value: unknown): { stamp: string; names: string[] } | undefined {
  if (typeof value !== 'object' || value === null || !('stamp' in value) || !('names' in value))
    return undefined;
  const { stamp, names } = value;
  if (typeof stamp !== 'string' || !Array.isArray(names)) return undefined;
  return { stamp, names: names.filter((name) => typeof name === 'string') };
}

async function stampOf(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() ? `${found.size}-${Math.floor(found.mtimeMs)}` : undefined;
}
