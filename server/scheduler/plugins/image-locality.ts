import type { FleetObserver } from '../fleet.ts';
import type { NodeState } from '../node-state.ts';
import { definePlugin } from '../plugin.ts';

/** Below this much of a pod's images a node gains nothing by having them; above the other no more is to gain. */
const bytesMin = 23 * 2 ** 20;
const bytesMaxPerContainer = 1000 * 2 ** 20;

/**
 * A node that has the pod's images need not pull them, which counts for most on a metered link (source:
 * kube-scheduler's ImageLocality). An image that few nodes have counts less, so that they are not all flooded.
 */
export const imageLocality = definePlugin({
  name: 'ImageLocality',
  open({ fleet }) {
    const holders = new ImageHolders();
    fleet.observe(holders);
    return {
      judge({ pod: { spec } }) {
        const images = (spec?.containers ?? []).flatMap(({ image }) => (image ? [normalized(image)] : []));
        const known = images.filter((image) => holders.count(image) > 0);
        if (known.length === 0) return undefined;
        const nodes = fleet.nodes.length;
        const most = bytesMaxPerContainer * images.length;
        return {
          score(node) {
            let bytes = 0;
            for (const image of known)
              bytes += (node.images.get(image) ?? 0) * (holders.count(image) / nodes);
            return (100 * (Math.min(Math.max(bytes, bytesMin), most) - bytesMin)) / (most - bytesMin);
          },
        };
      },
    };
  },
});

/** `web` means `web:latest`. */
function normalized(image: string): string {
  return image.lastIndexOf(':') > image.lastIndexOf('/') || image.includes('@') ? image : `${image}:latest`;
}

/** On how many nodes an image is. */
class ImageHolders implements FleetObserver {
  readonly #counts = new Map<string, number>();

  count(image: string): number {
    return this.#counts.get(image) ?? 0;
  }

  nodeJoined({ images }: NodeState): void {
    for (const image of images.keys()) this.#counts.set(image, this.count(image) + 1);
  }

  nodeLeft({ images }: NodeState): void {
    for (const image of images.keys()) {
      const count = this.count(image) - 1;
      if (count > 0) this.#counts.set(image, count);
      else this.#counts.delete(image);
    }
  }

  podPlaced(): void {}

  podLeft(): void {}
}
