import type { Clock } from '../../lib/clock.ts';

/** A plan may take this part of the time; the rest belongs to others. */
const sharePauses = 4;

/**
 * Lets an owner of ten thousand pods be planned less often than one of ten: after a plan that took a while, the next
 * waits four times as long, so that a storm of changes costs a fifth of the time at most, whatever the size.
 */
export class Pacing {
  readonly #clock: Clock;
  readonly #notBefore = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds that `key` still has to rest; 0 when it may be planned. */
  restMs(key: string): number {
    return Math.max(0, (this.#notBefore.get(key) ?? 0) - this.#clock.monotonic());
  }

  /** Runs a plan and remembers what it cost. */
  run<R>(key: string, plan: () => R): R {
    const began = this.#clock.monotonic();
    const result = plan();
    const ended = this.#clock.monotonic();
    this.#notBefore.set(key, ended + sharePauses * (ended - began));
    return result;
  }

  forget(key: string): void {
    this.#notBefore.delete(key);
  }
}
