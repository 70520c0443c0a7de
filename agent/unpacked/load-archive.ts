import { createReadStream, createWriteStream } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import * as v from 'valibot';
import { goArchitecture } from '../../protocol/go-architecture.ts';
import { digestOf, readManifest } from '../layers/image-manifest.ts';
import { LayerError } from '../layers/layer-error.ts';
import { decompress } from './decompress.ts';
import { configBytesMax, parseJson } from './image-config.ts';
import { readTar } from './read-tar.ts';
import type { UnpackedImages } from './unpacked-images.ts';

/** Where a file is in an archive that is not compressed. */
interface Place {
  offset: number;
  bytes: number;
}

const membersMax = 10_000;
const imagesMax = 100;
const looseDockerManifest = v.array(
  v.object({
    Config: v.string(),
    RepoTags: v.nullish(v.array(v.string()), []),
    Layers: v.array(v.string()),
  }),
);
const looseIndex = v.object({
  manifests: v.array(
    v.object({
      digest: v.pipe(v.string(), v.regex(/^sha256:[a-f0-9]{64}$/)),
      annotations: v.nullish(v.record(v.string(), v.string()), {}),
    }),
  ),
});
/** Of an index: what podman, buildkit and containerd call the image by. */
const nameAnnotations = ['io.containerd.image.name', 'org.opencontainers.image.ref.name'];

/**
 * Takes in an archive as `docker save`, `podman save` and OCI's tools write it, compressed or not. Resolves to the names of its images.
 * Rejects with LayerError `WrongContent` or `NoRoom`, or the signal's reason.
 */
export async function loadArchive(
  images: UnpackedImages,
  path: string,
  { folder, signal }: { folder: string; signal: AbortSignal },
): Promise<string[]> {
  const plain = join(folder, 'new.archive.tar');
  try {
    const compressed = await isCompressed(path);
    if (compressed)
      await pipeline(
        Readable.from(decompress(createReadStream(path))),
        createWriteStream(plain, { mode: 0o600 }),
        {
          signal,
        },
      );
    return await new Archive(compressed ? plain : path, images, signal).load();
  } finally {
    await rm(plain, { force: true });
  }
}

async function isCompressed(path: string): Promise<boolean> {
  await using file = await open(path, 'r');
  const { buffer } = await file.read(Buffer.alloc(262), 0, 262, 0);
  return buffer.subarray(257, 262).toString() !== 'ustar';
}

class Archive {
  readonly #path: string;
  readonly #images: UnpackedImages;
  readonly #signal: AbortSignal;
  readonly #places = new Map<string, Place>();
  /** Some tools write a layer that several images have once, and links to it. */
  readonly #links = new Map<string, string>();

  constructor(path: string, images: UnpackedImages, signal: AbortSignal) {
    this.#path = path;
    this.#images = images;
    this.#signal = signal;
  }

  async load(): Promise<string[]> {
    for await (const member of readTar(createReadStream(this.#path))) {
      this.#signal.throwIfAborted();
      const name = posix.normalize(member.path);
      if (member.type === 'symlink') this.#links.set(name, posix.join(posix.dirname(name), member.target));
      else if (member.type === 'hardlink') this.#links.set(name, posix.normalize(member.target));
      else if (member.type === 'file')
        this.#places.set(name, { offset: member.offset, bytes: member.sizeBytes });
      if (this.#places.size + this.#links.size > membersMax) throw noArchive();
    }
    if (this.#places.has('manifest.json')) return this.#loadDocker();
    if (this.#places.has('index.json')) return this.#loadOci();
    throw noArchive();
  }

  async #loadDocker(): Promise<string[]> {
    const manifests = v.safeParse(looseDockerManifest, parseJson(await this.#text('manifest.json')));
    if (!manifests.success || manifests.output.length > imagesMax) throw noArchive();
    const names: string[] = [];
    for (const { Config, RepoTags, Layers } of manifests.output) {
      const source = {
        config: await this.#text(Config),
        layer: (index: number) => Promise.resolve({ read: () => this.#stream(Layers[index] ?? '') }),
      };
      await this.#images.add(source, { tags: RepoTags ?? [], digests: [] }, this.#signal);
      names.push(...(RepoTags ?? []));
    }
    return names;
  }

  async #loadOci(): Promise<string[]> {
    const index = v.safeParse(looseIndex, parseJson(await this.#text('index.json')));
    if (!index.success || index.output.manifests.length > imagesMax) throw noArchive();
    const names: string[] = [];
    for (const { digest, annotations } of index.output.manifests) {
      const { config, layers } = await this.#manifest(digest);
      const name = nameAnnotations.map((key) => annotations?.[key]).find((known) => known?.includes('/'));
      const source = {
        config: await this.#blob(config.digest),
        layer: (at: number) =>
          Promise.resolve({ read: () => this.#stream(blobName(layers[at]?.digest ?? '')) }),
      };
      await this.#images.add(source, { tags: name === undefined ? [] : [name], digests: [] }, this.#signal);
      if (name !== undefined) names.push(name);
    }
    return names;
  }

  async #manifest(digest: string) {
    const platform = { os: 'linux', architecture: goArchitecture(process.arch) };
    const read = readManifest(Buffer.from(await this.#blob(digest)), platform);
    const chosen =
      'manifest' in read ? read : readManifest(Buffer.from(await this.#blob(read.chosen.digest)), platform);
    if (!('manifest' in chosen)) throw noArchive();
    return chosen.manifest;
  }

  async #blob(digest: string): Promise<string> {
    const text = await this.#text(blobName(digest));
    if (digestOf(Buffer.from(text)) !== digest)
      throw new LayerError('WrongContent', `${digest} is something else in the archive`);
    return text;
  }

  async #text(name: string): Promise<string> {
    const { bytes } = this.#place(name);
    if (bytes > configBytesMax) throw noArchive();
    const parts: Buffer[] = [];
    for await (const part of this.#stream(name)) parts.push(Buffer.from(part));
    return Buffer.concat(parts).toString();
  }

  #stream(name: string): AsyncIterable<Uint8Array> {
    const { offset, bytes } = this.#place(name);
    if (bytes === 0) return Readable.from([]);
    return createReadStream(this.#path, { start: offset, end: offset + bytes - 1 });
  }

  #place(name: string): Place {
    const normal = posix.normalize(name);
    const place = this.#places.get(normal) ?? this.#places.get(this.#links.get(normal) ?? '');
    if (place) return place;
    throw new LayerError('WrongContent', `the archive has no ${name}`);
  }
}

function blobName(digest: string): string {
  return `blobs/${digest.replace(':', '/')}`;
}

function noArchive(): LayerError {
  return new LayerError('WrongContent', 'this is no archive of images');
}
