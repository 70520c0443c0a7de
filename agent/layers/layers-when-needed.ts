import { once } from '../../lib/once.ts';
import type { Layers, LayersOptions } from './layers.ts';

/** Opened, and loaded, at the first call: a device that fetches no image does not carry it. */
export type OpenLayers = () => Promise<Layers>;

export function layersWhenNeeded(options: LayersOptions): Disposable & { readonly open: OpenLayers } {
  let opened: Promise<Layers> | undefined;
  const open = once(async () => {
    const { openLayers } = await import('./layers.ts');
    return openLayers(options);
  });
  return {
    open: () => (opened = open()),
    [Symbol.dispose]: () =>
      void opened?.then(
        (layers) => layers[Symbol.dispose](),
        () => undefined,
      ),
  };
}
