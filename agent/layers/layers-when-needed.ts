import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Layers, LayersOptions } from './layers.ts';
import type { Neighbourhood } from './neighbourhood.ts';

/** Opened, and loaded, at the first call: a device that fetches no image does not carry it. */
export type OpenLayers = () => Promise<Layers>;

export interface LayersWhenNeeded extends Disposable {
  readonly open: OpenLayers;
  /** They are opened too while neighbours may want some. */
  share(): void;
  /** The disk is short. True when layers went. */
  relieve(): Promise<boolean>;
}

export function layersWhenNeeded(
  options: LayersOptions & { neighbourhood: Neighbourhood },
): LayersWhenNeeded {
  const { neighbourhood, folder } = options;
  const stack = new DisposableStack();
  stack.use(neighbourhood);
  let opened: Promise<Layers> | undefined;
  const make = async () => {
    const { openLayers } = await import('./layers.ts');
    const layers = await openLayers(options);
    if (stack.disposed) layers[Symbol.dispose]();
    else stack.use(layers);
    share();
    return layers;
  };
  const open = () =>
    (opened ??= make().catch((error: unknown) => {
      opened = undefined;
      throw error;
    }));
  const share = () => neighbourhood.share(async () => (await open()).store);
  return {
    open,
    share,
    async relieve() {
      const folders = ['blobs', 'partial'].map((name) => join(folder, name));
      const names = await Promise.all(folders.map((one) => readdir(one).catch(() => [])));
      return names.flat().length > 0 && (await (await open()).store.clear()) > 0;
    },
    [Symbol.dispose]: () => stack.dispose(),
  };
}
