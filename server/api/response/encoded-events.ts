import type { Chunk } from './chunk.ts';

/**
 * Watch frames by what they say, so that an event is serialised once for all who watch it in the same representation.
 * Holds the most recently used frames up to a number of bytes.
 */
export class EncodedEvents {
  readonly #bytesMax: number;
  readonly #frames = new Map<string, Chunk>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** The frame of `key`, made by `encode` at its first use. Equal keys must mean equal frames. */
  frame(key: string, encode: () => Chunk): Chunk {
    const known = this.#frames.get(key);
    if (known) {
      this.#frames.delete(key);
      this.#frames.set(key, known);
      return known;
    }
    const frame = encode();
    this.#frames.set(key, frame);
    this.#bytes += frame.framed.length;
    this.#evict();
    return frame;
  }

  get bytes(): number {
    return this.#bytes;
  }

  #evict(): void {
    for (const [key, frame] of this.#frames) {
      if (this.#bytes <= this.#bytesMax) return;
      this.#frames.delete(key);
      this.#bytes -= frame.framed.length;
    }
  }
}
