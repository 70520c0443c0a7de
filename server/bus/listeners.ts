import type { Logger } from '../../lib/log.ts';

/** Whoever wants to hear of something; one that throws is logged and harms no other. */
export class Listeners<T> {
  readonly #log: Logger;
  readonly #handlers = new Set<{ handle: (value: T) => void | Promise<void> }>();

  constructor(log: Logger) {
    this.#log = log;
  }

  get size(): number {
    return this.#handlers.size;
  }

  add(handle: (value: T) => void | Promise<void>): Disposable {
    const entry = { handle };
    this.#handlers.add(entry);
    return { [Symbol.dispose]: () => void this.#handlers.delete(entry) };
  }

  emit(value: T): void {
    for (const { handle } of this.#handlers) {
      try {
        const pending = handle(value);
        if (pending) pending.catch((error: unknown) => this.#report(error));
      } catch (error) {
        this.#report(error);
      }
    }
  }

  clear(): void {
    this.#handlers.clear();
  }

  #report(error: unknown): void {
    this.#log.error('a bus handler failed', { error });
  }
}
