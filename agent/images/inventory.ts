import type { Clock, Timer } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { type NodeReport, reportedImagesMax } from '../../protocol/topics/sync.ts';
import type { ImageStore, StoredImage } from '../drivers/driver.ts';

export interface InventoryOptions {
  store: ImageStore;
  clock: Clock;
  log: Logger;
  /** What the node is to say of its images. */
  report: (images: NonNullable<NodeReport['images']>) => void;
}

/** Images come in bursts. */
const settleMs = 2_000;
/** For what others fetch or remove. */
const lookMs = 30 * 60_000;
const retryMs = 60_000;
const namesMax = 5;

/** Knows which images are on this device; looks when something has changed and otherwise hardly ever: a look is two calls of the engine. */
export class Inventory {
  readonly #options: InventoryOptions;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(options: InventoryOptions) {
    this.#options = options;
  }

  /** Images were fetched or removed, or this is the beginning. */
  changed(): void {
    this.#lookAfter(settleMs);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #lookAfter(delayMs: number): void {
    if (this.#stopped) return;
    this.#timer?.cancel();
    this.#timer = this.#options.clock.after(
      delayMs,
      () => {
        this.#timer = undefined;
        void this.#look();
      },
      { unref: true },
    );
  }

  async #look(): Promise<void> {
    const { store, log, report } = this.#options;
    let nextMs = lookMs;
    try {
      const images = await store.list();
      if (!this.#stopped) report(reportedImages(images));
    } catch (error) {
      nextMs = retryMs;
      log.warn('the images could not be listed', { error });
    }
    // A change meanwhile has asked for an earlier look.
    if (!this.#timer) this.#lookAfter(nextMs);
  }
}

/** The largest, each by the names that pods may give it. Sorted, so that equal images make an equal report. */
export function reportedImages(images: readonly StoredImage[]): NonNullable<NodeReport['images']> {
  return images
    .map(({ tags, digests, sizeBytes }) => ({
      names: [...digests, ...tags]
        .sort(byText)
        .slice(0, namesMax)
        .flatMap(withFamiliarName)
        .slice(0, namesMax),
      sizeBytes,
    }))
    .filter(({ names }) => names.length > 0)
    .sort((one, other) => other.sizeBytes - one.sizeBytes || byText(one.names[0] ?? '', other.names[0] ?? ''))
    .slice(0, reportedImagesMax);
}

/** Docker Hub's are asked for without its name, as a rule. */
function withFamiliarName(name: string): string[] {
  const familiar = name.replace(/^docker\.io\/(?:library\/)?/, '');
  return familiar === name || name.includes('@') ? [name] : [name, familiar];
}

function byText(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
