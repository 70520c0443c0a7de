/**
 * A first-in first-out queue with one reader, for turning callbacks into an async iteration. It sets no limit itself:
 * whoever pushes is held back by a window (protocol/stream-window.ts) or a limit of its own.
 */
export class AsyncQueue<T> implements AsyncIterable<T> {
  readonly #items: T[] = [];
  readonly #onTake: ((item: T) => void) | undefined;
  #wake: (() => void) | undefined;
  #closed: { error: unknown } | undefined;

  /** `onTake` is called as each item reaches the reader. */
  constructor(onTake?: (item: T) => void) {
    this.#onTake = onTake;
  }

  get size(): number {
    return this.#items.length;
  }

  push(item: T): void {
    if (this.#closed) return;
    this.#items.push(item);
    this.#wake?.();
  }

  /** The reader sees what was pushed before, then the end. */
  end(): void {
    this.#closed ??= { error: undefined };
    this.#wake?.();
  }

  /** The reader sees what was pushed before, then the error. */
  fail(error: unknown): void {
    this.#closed ??= { error };
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      const item = this.#items.shift();
      if (item !== undefined) {
        this.#onTake?.(item);
        yield item;
      } else if (this.#closed) {
        if (this.#closed.error !== undefined) throw this.#closed.error;
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = undefined;
      }
    }
  }
}
