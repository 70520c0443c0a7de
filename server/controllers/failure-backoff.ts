import { type BackoffOptions, backoffMs } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';

/**
 * Waits that grow with each failure of one part (a node, an index) of an owner. What did not fail for twice the
 * longest wait starts anew.
 */
export class FailureBackoff {
  readonly #clock: Clock;
  readonly #options: BackoffOptions;
  readonly #owners = new Map<string, Map<string, { failures: number; until: number }>>();

  constructor(clock: Clock, options: BackoffOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  /** 0 when it may be tried now, and the next wait begins; otherwise milliseconds to wait. */
  claim(key: string, part: string): number {
    const now = this.#clock.monotonic();
    let parts = this.#owners.get(key);
    if (!parts) this.#owners.set(key, (parts = new Map()));
    const before = parts.get(part);
    if (before && before.until > now) return before.until - now;
    const isOver = !before || before.until + 2 * this.#options.capMs < now;
    const failures = isOver ? 1 : before.failures + 1;
    parts.set(part, { failures, until: now + backoffMs(failures, this.#options) });
    return 0;
  }

  forget(key: string): void {
    this.#owners.delete(key);
  }
}
