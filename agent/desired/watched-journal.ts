import type { Clock, Timer } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { type Journal, type JournalChange, JournalError } from './journal.ts';

/** A journal that knows whether its disk takes writes, and finds out by itself when it does again. */
export interface WatchedJournal extends Journal {
  /** Why the last write failed; undefined while nothing is known against the disk. */
  readonly problem: JournalError | undefined;
  /** Called whenever `problem` has come or gone. */
  onTurn(handler: () => void): Disposable;
}

/** What is tried now and then while writes fail: with room for less, the next write would fail again. */
const roomKey = 'host/room';
const roomBytes = 4096;
export const tryAgainMs = 10_000;

export function watchJournal(journal: Journal, options: { clock: Clock; log: Logger }): WatchedJournal {
  return new Watched(journal, options);
}

class Watched implements WatchedJournal {
  readonly #journal: Journal;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #handlers = new Set<() => void>();
  #timer: Timer | undefined;
  #closed = false;
  problem: JournalError | undefined;

  constructor(journal: Journal, { clock, log }: { clock: Clock; log: Logger }) {
    this.#journal = journal;
    this.#clock = clock;
    this.#log = log;
  }

  get entries(): ReadonlyMap<string, unknown> {
    return this.#journal.entries;
  }

  get bytesWritten(): number {
    return this.#journal.bytesWritten;
  }

  get damaged(): boolean {
    return this.#journal.damaged;
  }

  async write(changes: readonly JournalChange[]): Promise<void> {
    try {
      await this.#journal.write(changes);
    } catch (error) {
      if (isDisk(error)) this.#failed(error);
      throw error;
    }
  }

  onTurn(handler: () => void): Disposable {
    this.#handlers.add(handler);
    return { [Symbol.dispose]: () => void this.#handlers.delete(handler) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    this.#handlers.clear();
    await this.#journal[Symbol.asyncDispose]();
  }

  #failed(problem: JournalError): void {
    if (this.#closed) return;
    const turned = this.problem?.code !== problem.code;
    this.problem = problem;
    this.#timer ??= this.#clock.after(tryAgainMs, () => void this.#try(), { unref: true });
    if (!turned) return;
    this.#log.error('the data folder cannot be written; nothing new is begun until it can', {
      error: problem,
    });
    this.#announce();
  }

  /** A small write that succeeds says little: it may have fitted into the last block of the file. */
  async #try(): Promise<void> {
    this.#timer = undefined;
    try {
      await this.#journal.write([{ key: roomKey, value: Buffer.alloc(roomBytes) }]);
      await this.#journal.write([{ key: roomKey, value: undefined }]);
    } catch (error) {
      return isDisk(error) ? this.#failed(error) : undefined;
    }
    if (this.#closed || this.problem === undefined) return;
    this.problem = undefined;
    this.#log.info('the data folder can be written again');
    this.#announce();
  }

  #announce(): void {
    for (const handler of this.#handlers) handler();
  }
}

function isDisk(error: unknown): error is JournalError {
  return error instanceof JournalError && (error.code === 'DiskFull' || error.code === 'WriteFailed');
}
