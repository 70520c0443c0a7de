/**
 * The one queue of writers. Whatever waits when the disk is free becomes one batch and shares one fsync; while it
 * is being written the next batch gathers. Since a batch is planned only after the one before it is known to be
 * durable or gone, a compare-and-swap never sees anything that could still be lost.
 */
import { StoreError } from './errors.ts';
import type { DiskOperation } from './level-handle.ts';
import type { LevelLimits } from './limits.ts';
import type { WriteRequest } from './write-request.ts';

type Job =
  | ({ type: 'transaction'; request: WriteRequest } & Settlement<number>)
  | ({ type: 'records'; operations: DiskOperation[]; sync: boolean } & Settlement<void>);

interface Settlement<T> {
  resolve: (result: T) => void;
  reject: (error: unknown) => void;
}

/** What waited together: it is committed together, or its parts fail together. */
export interface Batch {
  transactions: Extract<Job, { type: 'transaction' }>[];
  records: Extract<Job, { type: 'records' }>[];
}

export interface GroupCommitOptions {
  limits: LevelLimits;
  /** Writes the batch and settles its jobs. Must not throw. */
  commit: (batch: Batch) => Promise<void>;
}

export class GroupCommit {
  readonly #options: GroupCommitOptions;
  #waiting: Job[] = [];
  #waitingBytes = 0;
  #draining: Promise<void> | undefined;

  constructor(options: GroupCommitOptions) {
    this.#options = options;
  }

  /** Resolves with the transaction's revision once it is durable. */
  transaction(request: WriteRequest): Promise<number> {
    const waiting = this.#waitingBytes + request.bytes;
    if (waiting > this.#options.limits.queueBytesMax) {
      const message = `the disk does not keep up: ${this.#waitingBytes} bytes wait to be written; try again later`;
      return Promise.reject(new StoreError('StorageFailed', message));
    }
    this.#waitingBytes = waiting;
    return new Promise((resolve, reject) => {
      this.#enqueue({ type: 'transaction', request, resolve, reject });
    });
  }

  /** Writes records that are no transaction, beside the transactions that happen to wait. */
  records(operations: DiskOperation[], { sync }: { sync: boolean }): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#enqueue({ type: 'records', operations, sync, resolve, reject });
    });
  }

  /** Resolves when nothing waits or is being written. */
  async drained(): Promise<void> {
    await this.#draining;
  }

  #enqueue(job: Job): void {
    this.#waiting.push(job);
    this.#draining ??= this.#drain();
  }

  async #drain(): Promise<void> {
    for (;;) {
      // Everybody who is awake, and whom the last batch woke, gets a seat in this one.
      await new Promise<void>((resolve) => process.nextTick(resolve));
      if (this.#waiting.length === 0) break;
      await this.#options.commit(this.#take());
    }
    this.#draining = undefined;
  }

  #take(): Batch {
    const { batchTxnsMax, batchBytesMax } = this.#options.limits;
    const batch: Batch = { transactions: [], records: [] };
    let bytes = 0;
    let taken = 0;
    for (const job of this.#waiting) {
      const jobBytes = job.type === 'transaction' ? job.request.bytes : 0;
      if (taken > 0 && (taken === batchTxnsMax || bytes + jobBytes > batchBytesMax)) break;
      if (job.type === 'transaction') batch.transactions.push(job);
      else batch.records.push(job);
      bytes += jobBytes;
      taken++;
    }
    this.#waiting = this.#waiting.slice(taken);
    this.#waitingBytes -= bytes;
    return batch;
  }
}
