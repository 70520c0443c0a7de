import type { Clock, Timer } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { ImageStore, StoredImage } from '../drivers/driver.ts';
import { qualifiedReference } from '../drivers/oci/image-reference.ts';
import { type DiskSpace, onOneDisk } from '../host/host-files.ts';
import type { Announcement } from '../pods/pod-events.ts';
import { sizeWords } from './words.ts';

export interface CollectorOptions {
  store: ImageStore;
  clock: Clock;
  log: Logger;
  dataDir: string;
  space: (path: string) => Promise<DiskSpace | undefined>;
  /** Percent of the disk in use above which images go, and down to which; 100: none ever. */
  highPercent: number;
  lowPercent: number;
  /** Names of images that are to stay. */
  wanted: () => Iterable<string>;
  /** Of the node. */
  announce: (announcement: Announcement) => void;
  onRemoved: () => void;
}

/** As a kubelet. */
const lookMs = 5 * 60_000;
const ageMinMs = 2 * 60_000;
/** After nothing could be freed it is not tried again for this long. */
const restMs = 60_000;

interface Known {
  seenAtMs: number;
  usedAtMs: number;
}

/**
 * Removes images that no pod uses or waits for, the longest unused first, when the disk that they lie on is nearly full.
 * What was made on this device and is in no registry stays, because it could not be had again.
 */
export class ImageCollector {
  readonly #options: CollectorOptions;
  readonly #known = new Map<string, Known>();
  #timer: Timer | undefined;
  #busy = false;
  #restUntilMs = 0;

  constructor(options: CollectorOptions) {
    this.#options = options;
  }

  start(): void {
    const { clock, log, highPercent } = this.#options;
    if (highPercent >= 100) return;
    this.#timer = clock.after(
      lookMs,
      () => {
        void this.#look().catch((error: unknown) => log.warn('images could not be collected', { error }));
        this.start();
      },
      { unref: true },
    );
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** The disk of the agent's data, or of the images, is short: what can go goes. True when that freed something. */
  async relieve(filesystem: 'nodefs' | 'imagefs'): Promise<boolean> {
    const { clock, store, dataDir, highPercent } = this.#options;
    if (this.#busy || highPercent >= 100 || clock.monotonic() < this.#restUntilMs) return false;
    const root = await store.root();
    if (root === undefined || (await onOneDisk(root, dataDir)) !== (filesystem === 'nodefs')) return false;
    const freed = await this.#free(Number.POSITIVE_INFINITY);
    if (freed === 0) this.#restUntilMs = clock.monotonic() + restMs;
    return freed > 0;
  }

  async #look(): Promise<void> {
    const { store, space, highPercent, lowPercent, announce } = this.#options;
    const root = await store.root();
    const disk = root === undefined ? undefined : await space(root);
    if (!disk || disk.totalBytes === 0) return;
    const used = 100 - (disk.availableBytes * 100) / disk.totalBytes;
    if (used < highPercent) return this.#remember(await store.list());
    // Somebody is at it: what it comes to is told then.
    if (this.#busy) return;
    const bytes = ((used - lowPercent) / 100) * disk.totalBytes;
    const freed = await this.#free(bytes);
    if (freed >= bytes) return;
    const message = `The disk of the images is ${Math.round(used)}% full; removing unused images was to free ${sizeWords(bytes)} and freed ${sizeWords(freed)}`;
    announce({ type: 'Warning', reason: 'FreeDiskSpaceFailed', message });
  }

  async #free(bytes: number): Promise<number> {
    const { store, log, onRemoved } = this.#options;
    if (this.#busy) return 0;
    this.#busy = true;
    let freed = 0;
    try {
      const images = await store.list();
      this.#remember(images);
      for (const image of this.#candidates(images)) {
        if (freed >= bytes) break;
        if (!(await store.remove(image))) continue;
        log.info('unused image removed', { image: image.tags[0] ?? image.imageId, bytes: image.sizeBytes });
        freed += image.sizeBytes;
      }
    } finally {
      this.#busy = false;
    }
    if (freed > 0) onRemoved();
    return freed;
  }

  #remember(images: readonly StoredImage[]): void {
    const now = this.#options.clock.monotonic();
    const wanted = wantedNames(this.#options.wanted());
    for (const image of images) {
      const known = this.#known.get(image.imageId) ?? { seenAtMs: now, usedAtMs: 0 };
      this.#known.set(image.imageId, isWanted(image, wanted) ? { ...known, usedAtMs: now } : known);
    }
    const present = new Set(images.map(({ imageId }) => imageId));
    for (const imageId of this.#known.keys()) if (!present.has(imageId)) this.#known.delete(imageId);
  }

  #candidates(images: readonly StoredImage[]): StoredImage[] {
    const now = this.#options.clock.monotonic();
    const wanted = wantedNames(this.#options.wanted());
    const known = ({ imageId }: StoredImage) => this.#known.get(imageId) ?? { seenAtMs: now, usedAtMs: 0 };
    return images
      .filter(
        (image) => !isWanted(image, wanted) && !isMadeHere(image) && now - known(image).seenAtMs >= ageMinMs,
      )
      .sort((one, other) => known(one).usedAtMs - known(other).usedAtMs || other.sizeBytes - one.sizeBytes);
  }
}

/** As engines write them. */
function wantedNames(names: Iterable<string>): ReadonlySet<string> {
  return new Set(
    [...names].map((name) => {
      const full = qualifiedReference(name);
      return full.includes('@') || /:[^/:]+$/.test(full) ? full : `${full}:latest`;
    }),
  );
}

function isWanted({ tags, digests }: StoredImage, wanted: ReadonlySet<string>): boolean {
  return [...tags, ...digests].some((name) => wanted.has(qualifiedReference(name)));
}

function isMadeHere({ tags }: StoredImage): boolean {
  return tags.length > 0 && tags.every((tag) => tag.startsWith('localhost/'));
}
