import type { Clock, Timer } from '../../../lib/clock.ts';

/** A clock that stands still until told: timers fire in the order they are due. */
export class ManualClock implements Clock {
  #now = 0;
  #timers: { at: number; task: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  after(delayMs: number, task: () => void): Timer {
    const timer = { at: this.#now + delayMs, task };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  /** Time passes as usual: each timer sees the time it was due at. */
  advance(byMs: number): void {
    const end = this.#now + byMs;
    for (let next = this.#next(end); next; next = this.#next(end)) {
      this.#now = Math.max(this.#now, next.at);
      next.task();
    }
    this.#now = end;
  }

  /** As when the process was suspended: time passes at once, then what was due fires late. */
  jump(byMs: number): void {
    this.#now += byMs;
    this.advance(0);
  }

  #next(end: number): { at: number; task: () => void } | undefined {
    const due = this.#timers.filter(({ at }) => at <= end).sort((left, right) => left.at - right.at)[0];
    if (due) this.#timers = this.#timers.filter((other) => other !== due);
    return due;
  }
}
