import type { Clock, Timer } from '../../lib/clock.ts';

/** A clock that stands still until it is moved; timers fire in order of their time, then of their making. */
export class ManualClock implements Clock {
  #monotonic = 0;
  #wallOffset: number;
  #sequence = 0;
  readonly #timers = new Map<number, { at: number; task: () => void }>();

  constructor(wallMs = Date.UTC(2026, 0, 1)) {
    this.#wallOffset = wallMs;
  }

  now(): number {
    return this.#wallOffset + this.#monotonic;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  after(delayMs: number, task: () => void): Timer {
    this.#sequence += 1;
    const id = this.#sequence;
    this.#timers.set(id, { at: this.#monotonic + Math.max(0, delayMs), task });
    return { cancel: () => this.#timers.delete(id) };
  }

  /** Moves the wall clock alone, as a time server or a dead battery does. */
  jumpWall(deltaMs: number): void {
    this.#wallOffset += deltaMs;
  }

  /** Milliseconds until the next timer, undefined when there is none. */
  get nextDelay(): number | undefined {
    const next = this.#next();
    return next && next.at - this.#monotonic;
  }

  /** As when the process was suspended: the time has passed when the first of the timers fires. */
  async jump(deltaMs: number): Promise<void> {
    this.#monotonic += deltaMs;
    await this.advance(0);
  }

  /** Moves time on, firing what falls due; microtasks run between timers, so that promises settle in order. */
  async advance(deltaMs: number): Promise<void> {
    await settle();
    const end = this.#monotonic + deltaMs;
    for (let next = this.#next(); next && next.at <= end; next = this.#next()) {
      this.#timers.delete(next.id);
      this.#monotonic = Math.max(this.#monotonic, next.at);
      next.task();
      await settle();
    }
    this.#monotonic = end;
    await settle();
  }

  #next(): { id: number; at: number; task: () => void } | undefined {
    let best: { id: number; at: number; task: () => void } | undefined;
    for (const [id, timer] of this.#timers) {
      if (!best || timer.at < best.at) best = { id, ...timer };
    }
    return best;
  }
}

/** Lets pending promise callbacks run, including chains of them. */
export async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
