/** Lets at most `atOnceMax` tasks run at a time; the others wait their turn in order. */
export class Limiter {
  readonly #atOnceMax: number;
  #running = 0;
  readonly #waiting = new Set<() => void>();

  constructor(atOnceMax: number) {
    this.#atOnceMax = atOnceMax;
  }

  /** Rejects with the signal's reason when aborted before its turn; a task that runs must mind the signal itself. */
  async run<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    if (this.#running >= this.#atOnceMax) await this.#turn(signal);
    else this.#running += 1;
    try {
      return await task();
    } finally {
      const [next] = this.#waiting;
      // The place is handed on, so that nobody can slip in between.
      if (next) next();
      else this.#running -= 1;
    }
  }

  #turn(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const start = () => {
        this.#waiting.delete(start);
        signal?.removeEventListener('abort', giveUp);
        resolve();
      };
      const giveUp = () => {
        this.#waiting.delete(start);
        reject(signal?.reason instanceof Error ? signal.reason : new Error('aborted'));
      };
      this.#waiting.add(start);
      signal?.addEventListener('abort', giveUp, { once: true });
    });
  }
}
