import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { once } from '../../lib/once.ts';
import type { Random } from '../../lib/random.ts';
import type { RegistryCredential } from '../drivers/driver.ts';
import { parseImageName } from '../drivers/oci/image-reference.ts';
import type { Arrival } from './fetch-blob.ts';
import { readHostRegistries } from './host-registries.ts';
import { type Blob, type Platform, readManifest } from './image-manifest.ts';
import { LayerError } from './layer-error.ts';
import { type HeldLayer, type LayerStore, openLayerStore } from './layer-store.ts';
import type { Mirror, MirroredRepository } from './mirror.ts';
import type { Neighbourhood } from './neighbourhood.ts';
import { createRepository, type Repository } from './repository.ts';

/**
 * Images from registries without an engine: what a name stands for, and its layers, from this device's own store, from devices
 * nearby, or from the registry. Whatever comes is checked against the digest in the manifest, which is the registry's.
 */
export interface Layers extends Disposable {
  readonly store: LayerStore;
  /** Those of `credentials` are tried one after the other; none at all when there are none. @throws LayerError; the signal's reason */
  resolve(image: string, options: ResolveOptions): Promise<RemoteImage>;
  /** Checked, and there until it is disposed. @throws LayerError; the signal's reason */
  fetch(repository: Repository, blob: Blob, options: FetchLayerOptions): Promise<HeldLayer>;
  openRepository(image: string, credential: RegistryCredential | undefined): Promise<Repository>;
  /**
   * Lets an engine pull this image by way of this device's layers. Undefined when it is better left alone: its settings are not
   * understood, or no layers are to be kept here.
   */
  mirror(image: string, credential: RegistryCredential | undefined): Promise<EngineMirror | undefined>;
  /** An image is complete: its layers go unless they may be of use to others. */
  finished(digests: Iterable<string>): Promise<void>;
}

export interface EngineMirror extends MirroredRepository {
  /** For the engine, in the form of `registries.conf`. */
  readonly settings: string;
}

export interface ResolveOptions {
  credentials: readonly RegistryCredential[];
  platform: Platform;
  signal: AbortSignal;
}

export interface FetchLayerOptions {
  signal: AbortSignal;
  /** Whenever something has come. */
  onArrival?: (arrival: Arrival) => void;
}

export interface RemoteImage {
  /** As in a container's status: `docker.io/library/nginx@sha256:…`, by the digest that the name stands for. */
  reference: string;
  /** Of the image of this platform. */
  config: Blob;
  /** The lowest first. */
  layers: Blob[];
  repository: Repository;
}

export interface LayersOptions {
  folder: string;
  bytesMax: number;
  neighbourhood: Pick<Neighbourhood, 'keeps' | 'peers'>;
  environment: NodeJS.ProcessEnv;
  clock: Clock;
  random: Random;
  log: Logger;
}

export async function openLayers(options: LayersOptions): Promise<Layers> {
  const { clock, neighbourhood, environment } = options;
  const store = await openLayerStore(options);
  const registries = readHostRegistries(environment);
  const openRepository: Layers['openRepository'] = async (image, credential) => {
    const { registry, path } = parseImageName(image);
    const endpoints = await registries.endpoints(`${registry}/${path}`);
    if (endpoints.length === 0)
      throw new LayerError('Refused', `${registry}/${path} is blocked by this device's registries.conf`);
    return createRepository({ endpoints, credential, clock, environment });
  };
  const startMirror = once(async () => {
    const { openMirror } = await import('./mirror.ts');
    return openMirror({ ...options, layers });
  });
  let mirror: Promise<Mirror> | undefined;
  const layers: Layers = {
    store,
    openRepository,
    async mirror(image, credential) {
      if (options.bytesMax === 0) return undefined;
      const { registry, path } = parseImageName(image);
      const repository = await openRepository(image, credential);
      mirror = startMirror();
      const opened = (await mirror).open(repository);
      const settings = await registries.withMirror(`${registry}/${path}`, opened.location);
      if (settings !== undefined) return Object.assign(opened, { settings });
      opened[Symbol.dispose]();
      return undefined;
    },
    async resolve(image, { credentials, ...rest }) {
      let failure: LayerError | undefined;
      for (const credential of credentials.length > 0 ? credentials : [undefined])
        try {
          return await resolveImage(image, await openRepository(image, credential), rest);
        } catch (error) {
          rest.signal.throwIfAborted();
          if (!(error instanceof LayerError)) throw error;
          failure ??= error;
        }
      throw failure ?? new LayerError('NotFound', `${image} is nowhere`);
    },
    async fetch(repository, blob, fetching) {
      const peers = store.has(blob.digest) ? [] : await neighbourhood.peers(blob);
      return store.fetch(blob, [...peers, ...repository.sources], fetching);
    },
    async finished(digests) {
      if (neighbourhood.keeps()) return;
      for (const digest of digests) await store.discard(digest);
    },
    [Symbol.dispose]() {
      store[Symbol.dispose]();
      void mirror?.then(
        (opened) => opened[Symbol.dispose](),
        () => undefined,
      );
    },
  };
  return layers;
}

async function resolveImage(
  image: string,
  repository: Repository,
  { platform, signal }: Omit<ResolveOptions, 'credentials'>,
): Promise<RemoteImage> {
  const { registry, path, tag = '', digest } = parseImageName(image);
  const first = await repository.manifest(digest ?? tag, { signal });
  const read = readManifest(first.content, platform);
  const chosen =
    'manifest' in read
      ? read
      : readManifest((await repository.manifest(read.chosen.digest, { signal })).content, platform);
  if (!('manifest' in chosen))
    throw new LayerError('WrongContent', `${image} is a list of lists, which is not understood here`);
  return { ...chosen.manifest, reference: `${registry}/${path}@${first.digest}`, repository };
}
