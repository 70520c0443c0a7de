import { Limiter } from '../pods/limiter.ts';

/** What is fetched from registries at the same time: few at once, and never one image twice. */
export class PullQueue {
  readonly #places: Limiter;
  readonly #byImage = new Map<string, Promise<unknown>>();

  constructor(atOnceMax: number) {
    this.#places = new Limiter(atOnceMax);
  }

  /** Rejects with the signal's reason when aborted before its turn; a task that runs must mind the signal itself. */
  async run<T>(image: string, task: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (;;) {
      const before = this.#byImage.get(image);
      if (!before) break;
      await unlessAborted(before, signal);
    }
    const own = this.#places.run(task, signal);
    const ended = own.catch(() => undefined);
    this.#byImage.set(image, ended);
    try {
      return await own;
    } finally {
      this.#byImage.delete(image);
    }
  }
}

function unlessAborted(waited: Promise<unknown>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const giveUp = () => reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
    signal.addEventListener('abort', giveUp, { once: true });
    void waited.then(() => {
      signal.removeEventListener('abort', giveUp);
      resolve();
    });
  });
}
