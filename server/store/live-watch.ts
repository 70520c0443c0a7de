import { StoreError } from './errors.ts';
import type { StoreLimits } from './limits.ts';
import type { WatchBatch } from './store.ts';

/** The bounded buffer between the commits and one reader. */
export class LiveWatch {
  /** Everything up to this revision was offered. */
  position: number;
  readonly #limits: StoreLimits;
  #queue: { batch: WatchBatch; bytes: number }[] = [];
  #events = 0;
  #bytes = 0;
  #end: { error?: StoreError } | undefined;
  #wake: (() => void) | undefined;

  constructor(position: number, limits: StoreLimits) {
    this.position = position;
    this.#limits = limits;
  }

  get idle(): boolean {
    return this.#queue.length === 0;
  }

  /**
   * The reader finds the batch when it looks next or is woken. `bytes`: what the batch keeps from being freed. Returns
   * false when the reader is too far behind and was cut off.
   */
  offer(batch: WatchBatch, bytes: number): boolean {
    this.position = batch.revision;
    this.#queue.push({ batch, bytes });
    this.#events += batch.events.length;
    this.#bytes += bytes;
    if (this.#fits()) return true;
    this.end(
      new StoreError(
        'WatchOverflow',
        `the watcher left ${this.#events} events (${this.#bytes} bytes) unread; list again and watch from there`,
      ),
    );
    return false;
  }

  /** A reader that waits goes on. */
  wake(): void {
    this.#wake?.();
  }

  /** The reader gets nothing more: the error, or the end. What it has not read is dropped. */
  end(error?: StoreError): void {
    this.#end ??= error ? { error } : {};
    this.#queue = [];
    this.#wake?.();
  }

  /** The next batch, or undefined at the end. One caller at a time. */
  async take(): Promise<WatchBatch | undefined> {
    if (this.#queue.length === 0 && !this.#end) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
    if (this.#end?.error) throw this.#end.error;
    const next = this.#queue.shift();
    if (!next) return undefined;
    this.#events -= next.batch.events.length;
    this.#bytes -= next.bytes;
    return next.batch;
  }

  /** A single commit may be larger than the buffer: a reader that was up to date still gets it. */
  #fits(): boolean {
    if (this.#queue.length === 1) return true;
    return (
      this.#events <= this.#limits.watchBufferEventsMax && this.#bytes <= this.#limits.watchBufferBytesMax
    );
  }
}
