import type { Logger } from '../../lib/log.ts';

/** Bindings and reports written side by side; the store commits them in groups. */
const writesMax = 256;

/** Writes that go on in the background, so many at a time. One that fails is logged. */
export class PendingWrites {
  readonly #log: Logger;
  readonly #writes = new Set<Promise<void>>();
  #onEnded: (() => void) | undefined;

  constructor(log: Logger) {
    this.#log = log;
  }

  track(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => this.#log.warn('a scheduling step failed', { error }))
      .finally(() => {
        this.#writes.delete(tracked);
        this.#onEnded?.();
      });
    this.#writes.add(tracked);
  }

  /** Resolves when there is room for one more. For one waiter at a time. */
  async room(): Promise<void> {
    while (this.#writes.size >= writesMax) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#onEnded = resolve;
      await promise;
      this.#onEnded = undefined;
    }
  }

  async ended(): Promise<void> {
    await Promise.all(this.#writes);
  }
}
