import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '../../../lib/log.ts';
import { once } from '../../../lib/once.ts';
import type { OpenLayers } from '../../layers/layers-when-needed.ts';
import type { UnpackedImage, UnpackedImages } from '../../unpacked/unpacked-images.ts';
import type { ImageStore, PulledImage, PullOptions } from '../driver.ts';
import { DriverError } from '../errors.ts';
import { qualifiedReference } from '../oci/image-reference.ts';
import { pullImage } from '../pull-image.ts';
import { imageOf, listFolders } from './container-folder.ts';

export interface LocalImagesOptions {
  stateDir: string;
  /** Of the containers that may use them. */
  root: string;
  log: Logger;
  layers?: OpenLayers | undefined;
}

export interface LocalImages {
  readonly store: ImageStore;
  readonly open: () => Promise<UnpackedImages>;
  /** Removes what an agent that was killed has left. */
  sweep(): Promise<void>;
  pull(image: string, options: PullOptions): Promise<PulledImage>;
}

/** The images that are unpacked on this device: opened, and loaded, when there is one or somebody wants one. */
export function localImages({ stateDir, root, log, layers }: LocalImagesOptions): LocalImages {
  const folder = join(stateDir, 'images');
  const inUse = async () => {
    const { containers } = await listFolders(root);
    return new Set(containers.map((container) => imageOf(container).imageId));
  };
  const open = once(async () => {
    const { openUnpackedImages } = await import('../../unpacked/unpacked-images.ts');
    return openUnpackedImages({ folder, log, inUse });
  });
  const store: ImageStore = {
    list: async () => (existsSync(folder) ? (await open()).store.list() : []),
    remove: async (image) => (await open()).store.remove(image),
    load: async (path, signal) => (await open()).store.load(path, signal),
    root: () => Promise.resolve(existsSync(folder) ? folder : undefined),
  };
  const fetch = async (image: string, options: PullOptions) => {
    if (!layers)
      throw new DriverError('ErrImagePull', `${image} is not on this device, which asks no registry`);
    const [{ addFromRegistry }, { asPullError }] = await Promise.all([
      import('../../unpacked/add-from-registry.ts'),
      import('../../unpacked/unpacked-images.ts'),
    ]);
    try {
      const parts = { images: await open(), layers: await layers() };
      return pulled(await addFromRegistry(image, options, parts), image);
    } catch (error) {
      throw asPullError(error);
    }
  };
  const find = async (image: string) => {
    const found = (await open()).find(image);
    return found && pulled(found, image);
  };
  const sweep = async () => {
    if (existsSync(folder)) await (await open()).sweep();
  };
  return { store, open, sweep, pull: (image, options) => pullImage(image, options, { find, fetch }) };
}

/** By its digest in the registry that it was asked from, if it came from one. */
function pulled({ imageId, digests, sizeBytes }: UnpackedImage, image: string): PulledImage {
  const repository = qualifiedReference(image)
    .replace(/@.*$/, '')
    .replace(/:[^/:]+$/, '');
  const reference = digests.find((digest) => digest.startsWith(`${repository}@`)) ?? imageId;
  return { imageId, reference, sizeBytes };
}
