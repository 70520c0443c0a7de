import { type BackoffOptions, backoffMs } from './backoff.ts';
import type { Clock, Timer } from './clock.ts';

/**
 * A queue of keys, not of objects. A key that is queued twice is worked once; a key is never worked by two workers
 * at a time; a key added while it is worked runs again afterwards. Failures back off per key.
 */
export interface WorkQueueOptions {
  clock: Clock;
  workers: number;
  backoff: BackoffOptions;
  /** Works one key. Throwing re-queues with back-off; a returned delay re-queues after it; nothing forgets the key. */
  work: (key: string, signal: AbortSignal) => Promise<{ requeueAfterMs?: number } | void>;
  onError?: (key: string, error: unknown, failures: number) => void;
  measure?: WorkQueueMeasure;
}

/** What a queue tells of itself as it works; `queue-metrics.ts` makes one of it. */
export interface WorkQueueMeasure {
  added(): void;
  retried(): void;
  /** `waitedMs`: since the key was added and might have been worked. */
  started(waitedMs: number): void;
  finished(workedMs: number): void;
}

export class WorkQueue {
  readonly #options: WorkQueueOptions;
  /** With when they came, by the monotonic clock. */
  readonly #ready = new Map<string, number>();
  readonly #processing = new Set<string>();
  readonly #again = new Set<string>();
  readonly #failures = new Map<string, number>();
  readonly #delayed = new Map<string, { at: number; timer: Timer }>();
  readonly #abort = new AbortController();
  #idleWaiters: (() => void)[] = [];

  constructor(options: WorkQueueOptions) {
    this.#options = options;
  }

  add(key: string): void {
    if (this.#abort.signal.aborted) return;
    this.#cancelDelayed(key);
    if (this.#processing.has(key)) this.#again.add(key);
    else if (!this.#ready.has(key)) {
      this.#ready.set(key, this.#options.clock.monotonic());
      this.#options.measure?.added();
    }
    this.#pump();
  }

  /** Adds `key` after a delay; the earlier of two delays wins. */
  addAfter(key: string, delayMs: number): void {
    if (this.#abort.signal.aborted) return;
    const at = this.#options.clock.monotonic() + delayMs;
    const pending = this.#delayed.get(key);
    if (pending && pending.at <= at) return;
    this.#cancelDelayed(key);
    const timer = this.#options.clock.after(delayMs, () => this.add(key), { unref: true });
    this.#delayed.set(key, { at, timer });
  }

  /** Keys waiting or being worked, without the delayed ones. */
  get depth(): number {
    return this.#ready.size + this.#processing.size;
  }

  /** Resolves when nothing is waiting or being worked (delayed keys do not count). */
  idle(): Promise<void> {
    if (this.depth === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Takes no more keys and waits for the running ones, which see their signal aborted. */
  async stop(): Promise<void> {
    this.#abort.abort();
    for (const key of this.#delayed.keys()) this.#cancelDelayed(key);
    this.#ready.clear();
    await this.idle();
  }

  #pump(): void {
    const { workers, clock, measure } = this.#options;
    for (const [key, since] of this.#ready) {
      if (this.#processing.size >= workers) return;
      measure?.started(clock.monotonic() - since);
      this.#ready.delete(key);
      this.#processing.add(key);
      void this.#run(key);
    }
  }

  async #run(key: string): Promise<void> {
    const { clock, measure } = this.#options;
    const began = clock.monotonic();
    try {
      const result = await this.#options.work(key, this.#abort.signal);
      this.#failures.delete(key);
      if (result?.requeueAfterMs !== undefined) this.addAfter(key, result.requeueAfterMs);
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#retry(key, error);
    } finally {
      measure?.finished(clock.monotonic() - began);
      this.#processing.delete(key);
      if (this.#again.delete(key)) this.add(key);
      this.#pump();
      if (this.depth === 0) for (const wake of this.#idleWaiters.splice(0)) wake();
    }
  }

  #retry(key: string, error: unknown): void {
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    this.#options.measure?.retried();
    this.#options.onError?.(key, error, failures);
    this.addAfter(key, backoffMs(failures, this.#options.backoff));
  }

  #cancelDelayed(key: string): void {
    this.#delayed.get(key)?.timer.cancel();
    this.#delayed.delete(key);
  }
}
