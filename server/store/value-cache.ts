import type { Version } from './version.ts';

/** Bookkeeping of one cached value beside its bytes, about. */
const entryOverheadBytes = 200;

/** Values of recently used versions, the least recently used dropped first. Values are shared: nobody changes them. */
export class ValueCache {
  readonly #values = new Map<Version, Uint8Array>();
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get(version: Version): Uint8Array | undefined {
    const value = this.#values.get(version);
    if (value) {
      this.#values.delete(version);
      this.#values.set(version, value);
    }
    return value;
  }

  set(version: Version, value: Uint8Array): void {
    if (this.#values.has(version)) return;
    this.#values.set(version, value);
    this.#bytes += value.byteLength + entryOverheadBytes;
    for (const oldest of this.#values.keys()) {
      if (this.#bytes <= this.#bytesMax) return;
      this.delete(oldest);
    }
  }

  /** Takes the value only if it displaces nothing: a long list must not empty the cache. */
  setIfSpare(version: Version, value: Uint8Array): void {
    if (this.#bytes + value.byteLength + entryOverheadBytes <= this.#bytesMax) this.set(version, value);
  }

  delete(version: Version): void {
    const value = this.#values.get(version);
    if (!value) return;
    this.#values.delete(version);
    this.#bytes -= value.byteLength + entryOverheadBytes;
  }
}
