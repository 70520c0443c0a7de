import { readFile } from 'node:fs/promises';
import { goArchitecture } from '../../protocol/go-architecture.ts';
import type { PullOptions } from '../drivers/driver.ts';
import { countArrivals } from '../layers/count-arrivals.ts';
import { type Blob, digestOf } from '../layers/image-manifest.ts';
import { LayerError } from '../layers/layer-error.ts';
import type { HeldLayer } from '../layers/layer-store.ts';
import type { Layers } from '../layers/layers.ts';
import { configBytesMax } from './image-config.ts';
import type { ImageSource, UnpackedImage, UnpackedImages } from './unpacked-images.ts';

/** Fetches what of an image is not here, layer by layer, and unpacks it. Rejects with LayerError, or the signal's reason. */
export async function addFromRegistry(
  image: string,
  { credentials = [], signal, onArrived, onNearby }: PullOptions,
  { images, layers }: { images: UnpackedImages; layers: Layers },
): Promise<UnpackedImage> {
  const platform = { os: 'linux', architecture: goArchitecture(process.arch), ...variantOf(process.arch) };
  const remote = await layers.resolve(image, { credentials, platform, signal });
  if (remote.config.size > configBytesMax)
    throw new LayerError('WrongContent', `${image} describes itself at too great length`);
  const arrivals = countArrivals();
  const hold = (blob: Blob): Promise<HeldLayer> =>
    layers.fetch(remote.repository, blob, {
      signal,
      onArrival: (arrival) => {
        arrivals.onArrival(arrival);
        onArrived?.(arrivals.bytes);
      },
    });
  using description = await hold(remote.config);
  const config = await readFile(description.path, 'utf8');
  if (digestOf(Buffer.from(config)) !== remote.config.digest)
    throw new LayerError('WrongContent', `${remote.config.digest} has gone bad on this device`);
  const source: ImageSource = {
    config,
    layer: async (index) => {
      const blob = remote.layers[index];
      if (!blob) throw new LayerError('WrongContent', `${image} has no layer ${index + 1}`);
      const held = await hold(blob);
      return { read: () => layers.store.read(held), [Symbol.dispose]: () => held[Symbol.dispose]() };
    },
  };
  const tags = image.includes('@') ? [] : [image];
  const added = await images.add(source, { tags, digests: [remote.reference] }, signal);
  await layers.finished([remote.config.digest, ...remote.layers.map(({ digest }) => digest)]);
  if (arrivals.fromPeers.size > 0) onNearby?.(arrivals.fromPeers);
  return added;
}

/** What Node runs on tells no more; a Raspberry Pi before the second has no Node of this age. */
function variantOf(architecture: string): { variant?: string } {
  return architecture === 'arm' ? { variant: 'v7' } : {};
}
