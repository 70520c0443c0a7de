import type { Duplex } from 'node:stream';
import type { Clock } from '../../lib/clock.ts';
import type { Limits } from '../../protocol/limits.ts';

/**
 * Looks at the packet headers of one connection before the broker does. aedes buffers whatever length a header
 * declares, also before anybody is authenticated, and parses as fast as bytes arrive; this bounds both. (Source:
 * MQTT 3.1.1, 2.2 Fixed header.)
 */
export type Violation =
  | 'first packet is not CONNECT'
  | 'packet too large'
  | 'malformed packet length'
  | 'too many packets';

const connectType = 1;

export class PacketGuard {
  readonly #limits: Limits;
  readonly #clock: Clock;
  #admitted = false;
  #first = true;
  /** Bytes of the current packet's body still to come. */
  #body = 0;
  #length: { value: number; factor: number } | undefined;
  #allowance: number;
  #refilledAt: number;

  constructor(limits: Limits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
    this.#allowance = limits.packetsBurstMax;
    this.#refilledAt = clock.monotonic();
  }

  /** The client is known now: full-size packets may come. */
  admit(): void {
    this.#admitted = true;
  }

  /** What is wrong with the bytes, if anything; after a violation the connection must end. */
  inspect(chunk: Uint8Array): Violation | undefined {
    this.#refill();
    let at = 0;
    while (at < chunk.length) {
      if (this.#body > 0) {
        const skipped = Math.min(this.#body, chunk.length - at);
        this.#body -= skipped;
        at += skipped;
        continue;
      }
      const violation = this.#header(chunk[at] ?? 0);
      if (violation) return violation;
      at++;
    }
    return undefined;
  }

  #header(byte: number): Violation | undefined {
    if (!this.#length) {
      if (this.#first && byte >> 4 !== connectType) return 'first packet is not CONNECT';
      if (this.#allowance < 1) return 'too many packets';
      this.#allowance--;
      this.#first = false;
      this.#length = { value: 0, factor: 1 };
      return undefined;
    }
    const length = this.#length;
    length.value += (byte & 0x7f) * length.factor;
    length.factor *= 128;
    const max = this.#admitted ? this.#limits.packetBytesMax : this.#limits.packetBeforeConnectBytesMax;
    if (length.value > max) return 'packet too large';
    if ((byte & 0x80) !== 0) return length.factor > 128 ** 3 ? 'malformed packet length' : undefined;
    this.#body = length.value;
    this.#length = undefined;
    return undefined;
  }

  #refill(): void {
    const now = this.#clock.monotonic();
    const earned = ((now - this.#refilledAt) / 1000) * this.#limits.packetsPerSecondMax;
    this.#refilledAt = now;
    this.#allowance = Math.min(this.#limits.packetsBurstMax, this.#allowance + earned);
  }
}

/**
 * Lets `guard` see everything that is read from `stream`; at a violation nothing more is handed on. Wrapping `read`
 * instead of putting a second stream in between saves some kilobytes per connection; aedes reads by no other way.
 *
 * aedes reads once per `readable` event and counts on getting all that is buffered. Since Node 26 `read()` gives
 * one chunk at a time, and the event does not come again while others are left: a packet in several chunks would
 * never complete.
 */
export function guardReads(
  stream: Duplex,
  guard: PacketGuard,
  onViolation: (violation: Violation) => void,
): void {
  const read = stream.read.bind(stream) as (size?: number) => Uint8Array | null;
  stream.read = (size?: number) => {
    // The stream's own way to ask for more, which takes nothing out.
    if (size === 0) return read(0);
    const chunks: Uint8Array[] = [];
    for (let chunk = read(); chunk !== null; chunk = read()) {
      const violation = guard.inspect(chunk);
      if (violation !== undefined) {
        onViolation(violation);
        return null;
      }
      chunks.push(chunk);
    }
    return chunks.length > 1 ? Buffer.concat(chunks) : (chunks[0] ?? null);
  };
}
