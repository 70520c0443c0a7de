/**
 * Leadership within one store: a lease key that changes only when the leader does, so that its revision is the fencing
 * number and a guard on it makes a deposed leader's writes fail. Renewing a lease writes nothing: whoever can compete
 * for it asks this very store, since the driver's data belong to one process; a lease that another process left
 * behind is therefore dead. Candidates for a name take turns in the order they came.
 */
import { type Clock, sleep, type Timer } from '../../lib/clock.ts';
import { StoreError } from './errors.ts';
import type { Leadership, Store } from './store.ts';

/** Where the lease of `name` lies. */
function leaseKey(name: string): string {
  return `leases/${name}`;
}

export interface ElectionOptions {
  store: Pick<Store, 'get' | 'create' | 'update' | 'delete'>;
  clock: Clock;
  /** Aborts when the store closes, with a `Closed` error as its reason. */
  closed: AbortSignal;
}

/** A leader renews this often within its lease. */
const renewalsPerLease = 3;

interface Term {
  readonly fence: number;
  readonly ttlMs: number;
  readonly ended: AbortController;
  /** Resolves when the next candidate may claim the lease. */
  readonly gone: PromiseWithResolvers<void>;
  renewedAt: number;
  timer: Timer | undefined;
}

export class Election {
  readonly #options: ElectionOptions;
  readonly #terms = new Map<string, Term>();
  /** The last candidate in line for each name; resolves when it leads or gave up. */
  readonly #lines = new Map<string, Promise<unknown>>();

  constructor(options: ElectionOptions) {
    this.#options = options;
  }

  /** As `Store.lead`. Rejects with the signal's reason when aborted before it leads. */
  lead(name: string, { ttlMs, signal }: { ttlMs: number; signal: AbortSignal }): Promise<Leadership> {
    const before = this.#lines.get(name) ?? Promise.resolve();
    const stop = AbortSignal.any([signal, this.#options.closed]);
    const turn = before.then(() => this.#takeTurn(name, ttlMs, stop));
    const settled = turn.then(
      () => {},
      () => {},
    );
    this.#lines.set(name, settled);
    void settled.then(() => {
      if (this.#lines.get(name) === settled) this.#lines.delete(name);
    });
    return unlessAborted(turn, stop);
  }

  async #takeTurn(name: string, ttlMs: number, stop: AbortSignal): Promise<Leadership> {
    await this.#outlast(name, stop);
    const fence = await this.#claim(name, stop);
    const term: Term = {
      fence,
      ttlMs,
      ended: new AbortController(),
      gone: Promise.withResolvers(),
      renewedAt: this.#options.clock.monotonic(),
      timer: undefined,
    };
    this.#terms.set(name, term);
    this.#renewLater(name, term);
    if (stop.aborted) await this.#release(name, term);
    else {
      const once = { once: true, signal: term.ended.signal };
      stop.addEventListener('abort', () => void this.#release(name, term), once);
    }
    stop.throwIfAborted();
    return { fence, guard: { key: leaseKey(name), revision: fence }, signal: term.ended.signal };
  }

  /** Waits until nobody leads `name`, or its leader failed to renew. */
  async #outlast(name: string, stop: AbortSignal): Promise<void> {
    for (;;) {
      stop.throwIfAborted();
      const term = this.#terms.get(name);
      if (!term) return;
      const leftMs = term.renewedAt + term.ttlMs - this.#options.clock.monotonic();
      if (leftMs <= 0) return this.#end(name, term);
      const woken = AbortSignal.any([stop, term.ended.signal]);
      await sleep(this.#options.clock, leftMs, woken).catch(() => {});
      if (term.ended.signal.aborted) await term.gone.promise;
    }
  }

  /** Makes the lease ours by compare-and-swap; returns its revision. */
  async #claim(name: string, stop: AbortSignal): Promise<number> {
    const { store } = this.#options;
    const key = leaseKey(name);
    const value = Buffer.from(JSON.stringify({ name }));
    for (;;) {
      stop.throwIfAborted();
      const held = await store.get(key);
      try {
        return held ? await store.update(key, value, held.revision) : await store.create(key, value);
      } catch (error) {
        const lostRace = error instanceof StoreError && raceCodes.has(error.code);
        if (!lostRace) throw error;
      }
    }
  }

  #renewLater(name: string, term: Term): void {
    const delayMs = term.ttlMs / renewalsPerLease;
    term.timer = this.#options.clock.after(delayMs, () => void this.#renew(name, term), { unref: true });
  }

  async #renew(name: string, term: Term): Promise<void> {
    const { store, clock } = this.#options;
    if (term.ended.signal.aborted) return;
    // A process that slept through its lease has been deposed, even if nobody took its place yet.
    if (clock.monotonic() - term.renewedAt >= term.ttlMs) return this.#end(name, term);
    const held = await store.get(leaseKey(name)).catch((error: unknown) => error);
    if (term.ended.signal.aborted) return;
    if (!(held instanceof Error)) {
      const ours = (held as { revision: number } | undefined)?.revision === term.fence;
      if (!ours) return this.#end(name, term);
      term.renewedAt = clock.monotonic();
    }
    this.#renewLater(name, term);
  }

  /** Gives the lease back: the guard must fail from here on, although nobody else may lead for a while. */
  async #release(name: string, term: Term): Promise<void> {
    if (term.ended.signal.aborted) return;
    const released = this.#options.store.delete(leaseKey(name), term.fence).catch(() => {});
    this.#stop(name, term);
    await released;
    this.#forget(name, term);
  }

  #end(name: string, term: Term): void {
    this.#stop(name, term);
    this.#forget(name, term);
  }

  #stop(name: string, term: Term): void {
    term.timer?.cancel();
    term.ended.abort(new Error(`no longer leads ${name}`));
  }

  #forget(name: string, term: Term): void {
    if (this.#terms.get(name) === term) this.#terms.delete(name);
    term.gone.resolve();
  }
}

const raceCodes = new Set(['RevisionMismatch', 'KeyExists', 'KeyNotFound']);

/** Rejects as soon as `stop` aborts; `turn` then gives up by itself. */
function unlessAborted<T>(turn: Promise<T>, stop: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(stop.reason instanceof Error ? stop.reason : new Error('aborted'));
    if (stop.aborted) abort();
    stop.addEventListener('abort', abort, { once: true });
    turn.then(resolve, reject).finally(() => stop.removeEventListener('abort', abort));
  });
}
