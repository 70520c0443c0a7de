import type { Arrival } from './fetch-blob.ts';

/** What has come for one image, and how much of it from which device nearby. */
export interface Arrivals {
  readonly bytes: number;
  /** By the name of the device. */
  readonly fromPeers: ReadonlyMap<string, number>;
  onArrival(this: void, arrival: Arrival): void;
}

export function countArrivals(): Arrivals {
  let total = 0;
  const fromPeers = new Map<string, number>();
  return {
    fromPeers,
    get bytes() {
      return total;
    },
    onArrival({ bytes, from }) {
      total += bytes;
      if (from.isPeer) fromPeers.set(from.name, (fromPeers.get(from.name) ?? 0) + bytes);
    },
  };
}
