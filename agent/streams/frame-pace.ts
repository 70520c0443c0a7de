import { type Clock, sleep } from '../../lib/clock.ts';
import { limits } from '../../protocol/limits.ts';

/**
 * Keeps the frames of all streams together below what the broker takes from one connection: it cuts who sends more
 * packets than that.
 */
export class FramePace {
  readonly #clock: Clock;
  #left: number = limits.streamFramesPerSecondMax;
  #refilledAtMs: number;
  #turn: Promise<void> = Promise.resolve();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#refilledAtMs = clock.monotonic();
  }

  /** Resolves when one more frame may go; in the order of the calls. */
  take(): Promise<void> {
    this.#turn = this.#turn.then(() => this.#takeOne());
    return this.#turn;
  }

  async #takeOne(): Promise<void> {
    for (;;) {
      const nowMs = this.#clock.monotonic();
      const earned = ((nowMs - this.#refilledAtMs) / 1000) * limits.streamFramesPerSecondMax;
      this.#left = Math.min(limits.streamFramesPerSecondMax, this.#left + earned);
      this.#refilledAtMs = nowMs;
      if (this.#left >= 1) break;
      await sleep(this.#clock, pauseMs);
    }
    this.#left -= 1;
  }
}

const pauseMs = 5;
