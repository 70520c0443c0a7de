import { type Clock, systemClock } from '../../../../lib/clock.ts';

/** The system's clock, but timers of exactly `delayMs` fire only when the test says so. */
export class HeldClock implements Clock {
  readonly #delayMs: number;
  readonly #held = new Set<() => void>();

  constructor(delayMs: number) {
    this.#delayMs = delayMs;
  }

  now(): number {
    return systemClock.now();
  }

  monotonic(): number {
    return systemClock.monotonic();
  }

  after(delayMs: number, task: () => void, options?: { unref?: boolean }) {
    if (delayMs !== this.#delayMs) return systemClock.after(delayMs, task, options);
    this.#held.add(task);
    return { cancel: () => this.#held.delete(task) };
  }

  get pending(): number {
    return this.#held.size;
  }

  fire(): void {
    for (const task of this.#held) {
      this.#held.delete(task);
      task();
    }
  }
}
