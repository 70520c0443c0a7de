import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../lib/exec.ts';
import type { Logger } from '../../lib/log.ts';
import { writeFileAtomic } from '../../lib/write-file-atomic.ts';
import type { ImageStore, StoredImage } from '../drivers/driver.ts';
import { DriverError } from '../drivers/errors.ts';
import { qualifiedReference } from '../drivers/oci/image-reference.ts';
import { LayerError } from '../layers/layer-error.ts';
import { type ImageConfig, parseJson, readImageConfig } from './image-config.ts';

/**
 * Images unpacked on this device, for those who run them without an engine. Each layer is unpacked once, however many images have it, and
 * is then never changed.
 *
 *   <folder>/layers/<chain>/root/    the layer; its name is the hash of itself and all below it
 *                           bytes    of its files
 *   <folder>/images/<id>.json        UnpackedImage; names layers that are complete
 *   <folder>/new.<chain>/            being unpacked; removed at the next start
 *
 * A layer is written to the disk before it gets its name, an image before anybody is told of it: after a power cut there is all of it or
 * nothing. One layer is unpacked at a time.
 */
export interface UnpackedImages {
  readonly store: ImageStore;
  /** By a name as pods have it, or by its id. */
  find(name: string): UnpackedImage | undefined;
  add(source: ImageSource, names: ImageNames, signal: AbortSignal): Promise<UnpackedImage>;
  /** Removes what was left half-done, while nothing is being done. */
  sweep(): Promise<void>;
  /** Until it is disposed of, the image stays: a container is about to say that it uses it. */
  reserve(image: UnpackedImage): Disposable;
  /** Folders of its layers, the highest first. */
  layersOf(image: UnpackedImage): string[];
}

export interface UnpackedImage {
  imageId: string;
  tags: readonly string[];
  digests: readonly string[];
  sizeBytes: number;
  /** The lowest first. */
  chains: readonly string[];
  config: ImageConfig;
}

export interface ImageSource {
  /** As it is: its hash is the image's id. */
  config: string;
  /** The archive of a layer, the lowest first. Asked for what is not here yet, and let go of when that is unpacked. */
  layer(index: number): Promise<LayerArchive>;
}

export interface LayerArchive extends Partial<Disposable> {
  /** Compressed or not. */
  read(): AsyncIterable<Uint8Array>;
}

export interface ImageNames {
  tags: readonly string[];
  digests: readonly string[];
}

export interface UnpackedImagesOptions {
  folder: string;
  log: Logger;
  /** Ids of images that containers use. */
  inUse: () => Promise<ReadonlySet<string>>;
}

interface WantedLayer {
  chain: string;
  diffId: string;
  /** The lowest first. */
  below: readonly string[];
}

const syncTimeoutMs = 300_000;

export async function openUnpackedImages(options: UnpackedImagesOptions): Promise<UnpackedImages> {
  const images = new FolderImages(options);
  await images.load();
  return images;
}

class FolderImages implements UnpackedImages {
  readonly #options: UnpackedImagesOptions;
  readonly #images = new Map<string, UnpackedImage>();
  /** By image, how many are about to use it; and which were meanwhile. */
  readonly #reserved = new Map<string, number>();
  readonly #released = new Set<string>();
  /** Layers of images that are being added, and of how many. */
  readonly #building = new Map<string, number>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: UnpackedImagesOptions) {
    this.#options = options;
  }

  readonly store: ImageStore = {
    list: () => Promise.resolve([...this.#images.values()].map(stored)),
    remove: (image) => this.#alone(() => this.#removeUnused(image.imageId)),
    load: async (path, signal) => {
      const { loadArchive } = await import('./load-archive.ts');
      try {
        return await loadArchive(this, path, { folder: this.#options.folder, signal });
      } catch (error) {
        throw asPullError(error);
      }
    },
    root: () => Promise.resolve(this.#options.folder),
  };

  async load(): Promise<void> {
    const { folder, log } = this.#options;
    for (const part of ['layers', 'images'])
      await mkdir(join(folder, part), { recursive: true, mode: 0o700 });
    const whole = new Set(await readdir(join(folder, 'layers')));
    for (const name of await readdir(join(folder, 'images'))) {
      const image = parseJson(await readFile(join(folder, 'images', name), 'utf8')) as
        | UnpackedImage
        | undefined;
      if (image?.chains.every((chain) => whole.has(chain))) this.#images.set(image.imageId, image);
      else await rm(join(folder, 'images', name), { force: true });
    }
    log.debug('unpacked images found', { images: this.#images.size });
  }

  async sweep(): Promise<void> {
    const { folder } = this.#options;
    for (const name of await readdir(folder))
      if (name.startsWith('new.')) await removeTree(join(folder, name));
    await this.#removeLayersWithoutImage();
  }

  find(name: string): UnpackedImage | undefined {
    const known = this.#images.get(name);
    if (known) return known;
    const wanted = fullName(name);
    return [...this.#images.values()].find(({ tags, digests }) => [...tags, ...digests].includes(wanted));
  }

  reserve({ imageId }: UnpackedImage): Disposable {
    this.#reserved.set(imageId, (this.#reserved.get(imageId) ?? 0) + 1);
    return {
      [Symbol.dispose]: () => {
        const left = (this.#reserved.get(imageId) ?? 1) - 1;
        if (left > 0) this.#reserved.set(imageId, left);
        else this.#reserved.delete(imageId);
        this.#released.add(imageId);
      },
    };
  }

  layersOf({ chains }: UnpackedImage): string[] {
    return [...chains].reverse().map((chain) => join(this.#options.folder, 'layers', chain, 'root'));
  }

  async add(source: ImageSource, names: ImageNames, signal: AbortSignal): Promise<UnpackedImage> {
    const { config, diffIds } = readImageConfig(source.config);
    const imageId = `sha256:${sha256(source.config)}`;
    const chains = chainsOf(diffIds);
    for (const chain of chains) this.#building.set(chain, (this.#building.get(chain) ?? 0) + 1);
    try {
      let sizeBytes = 0;
      for (const [index, diffId] of diffIds.entries()) {
        signal.throwIfAborted();
        const wanted = { chain: chains[index] ?? '', diffId, below: chains.slice(0, index) };
        sizeBytes +=
          (await this.#bytesOf(wanted.chain)) ??
          (await this.#take(wanted, () => source.layer(index), signal));
      }
      return await this.#alone(async () => {
        const known = this.#images.get(imageId);
        const tags = union(known?.tags, names.tags.map(fullName));
        const digests = union(known?.digests, names.digests.map(qualifiedReference));
        const image: UnpackedImage = { imageId, tags, digests, sizeBytes, chains, config };
        await this.#write(image);
        await this.#takeNames(image);
        return image;
      });
    } finally {
      for (const chain of chains) this.#building.set(chain, (this.#building.get(chain) ?? 1) - 1);
    }
  }

  /** Others may go on while it is fetched. */
  async #take(layer: WantedLayer, fetch: () => Promise<LayerArchive>, signal: AbortSignal): Promise<number> {
    const archive = await fetch();
    try {
      return await this.#alone(
        async () => (await this.#bytesOf(layer.chain)) ?? (await this.#unpack(layer, archive, signal)),
      );
    } finally {
      archive[Symbol.dispose]?.();
    }
  }

  /** Of its files; undefined when it is not here. */
  async #bytesOf(chain: string): Promise<number | undefined> {
    const file = join(this.#options.folder, 'layers', chain, 'bytes');
    const text = await readFile(file, 'utf8').catch(() => undefined);
    return text === undefined ? undefined : Number(text);
  }

  /** Resolves to the size of its files. */
  async #unpack(
    { chain, diffId, below }: WantedLayer,
    archive: LayerArchive,
    signal: AbortSignal,
  ): Promise<number> {
    const { folder } = this.#options;
    const temporary = join(folder, `new.${chain}`);
    const root = join(temporary, 'root');
    await removeTree(temporary);
    await mkdir(root, { recursive: true, mode: 0o700 });
    try {
      const folders = [...below].reverse().map((other) => join(folder, 'layers', other, 'root'));
      const { unpackLayer } = await import('./unpack-layer.ts');
      const unpacked = await unpackLayer(archive.read(), { root, below: folders, signal });
      if (unpacked.diffId !== diffId)
        throw new LayerError('WrongContent', `a layer is ${unpacked.diffId} where the image names ${diffId}`);
      await writeFileAtomic(join(temporary, 'bytes'), String(unpacked.bytes), 0o600);
      await run('sync', ['--file-system', temporary], { timeoutMs: syncTimeoutMs });
      await rename(temporary, join(folder, 'layers', chain));
      return unpacked.bytes;
    } catch (error) {
      await removeTree(temporary);
      throw error;
    }
  }

  async #write(image: UnpackedImage): Promise<void> {
    const file = join(this.#options.folder, 'images', `${hexOf(image.imageId)}.json`);
    await writeFileAtomic(file, JSON.stringify(image), 0o600);
    this.#images.set(image.imageId, image);
  }

  /** A tag leads to one image: the one that came last. */
  async #takeNames({ imageId, tags }: UnpackedImage): Promise<void> {
    for (const other of this.#images.values()) {
      const left = other.tags.filter((tag) => !tags.includes(tag));
      if (other.imageId !== imageId && left.length < other.tags.length)
        await this.#write({ ...other, tags: left });
    }
  }

  async #removeUnused(imageId: string): Promise<boolean> {
    if (!this.#images.has(imageId)) return true;
    this.#released.clear();
    const used = await this.#options.inUse();
    if (used.has(imageId) || this.#reserved.has(imageId) || this.#released.has(imageId)) return false;
    this.#images.delete(imageId);
    await rm(join(this.#options.folder, 'images', `${hexOf(imageId)}.json`), { force: true });
    await this.#removeLayersWithoutImage();
    return true;
  }

  async #removeLayersWithoutImage(): Promise<void> {
    const { folder } = this.#options;
    const used = new Set([...this.#images.values()].flatMap(({ chains }) => chains));
    for (const chain of await readdir(join(folder, 'layers'))) {
      if (used.has(chain) || (this.#building.get(chain) ?? 0) > 0) continue;
      // Under another name first: half of a layer must not be taken for one.
      await rename(join(folder, 'layers', chain), join(folder, `new.${chain}`));
      await removeTree(join(folder, `new.${chain}`));
    }
  }

  #alone<T>(change: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(change);
    this.#last = mine.catch(() => undefined);
    return mine;
  }
}

/** In words that a pod shows. */
export function asPullError(error: unknown): unknown {
  return error instanceof LayerError
    ? new DriverError('ErrImagePull', error.message, { cause: error })
    : error;
}

function stored({ imageId, tags, digests, sizeBytes }: UnpackedImage): StoredImage {
  return { imageId, tags, digests, sizeBytes };
}

/** As engines write it. */
function fullName(name: string): string {
  const full = qualifiedReference(name);
  return full.includes('@') || /:[^/:]+$/.test(full) ? full : `${full}:latest`;
}

/** Folders that are closed even to their owner go too. */
async function removeTree(path: string): Promise<void> {
  if (process.getuid?.() !== 0) await run('chmod', ['-R', 'u+rwX', path], { timeoutMs: syncTimeoutMs });
  await rm(path, { recursive: true, force: true });
}

function union(one: readonly string[] = [], other: readonly string[]): string[] {
  return [...new Set([...one, ...other])];
}

/** As the OCI image specification has it: a layer's name says what is below it, too. */
function chainsOf(diffIds: readonly string[]): string[] {
  const chains: string[] = [];
  for (const diffId of diffIds) {
    const below = chains.at(-1);
    chains.push(below === undefined ? hexOf(diffId) : sha256(`sha256:${below} ${diffId}`));
  }
  return chains;
}

function hexOf(digest: string): string {
  return digest.slice('sha256:'.length);
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
