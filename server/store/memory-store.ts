/**
 * The store in memory, for tests and simulations: everything the contract says but durability. Written for being
 * obviously right, not for size, and apart from the Level driver, for which it is the oracle.
 */
import type { Clock, Timer } from '../../lib/clock.ts';
import { type Random, systemRandom, uuid } from '../../lib/random.ts';
import { StoreError } from './errors.ts';
import { Election } from './leadership.ts';
import { defaultStoreLimits, type StoreLimits } from './limits.ts';
import type {
  Entry,
  Guard,
  Leadership,
  ListOptions,
  ListResult,
  Operation,
  Store,
  WatchBatch,
  WatchEvent,
} from './store.ts';
import { type Condition, checkReadable, guardConditions, refusal, writeRequest } from './write-request.ts';

export interface MemoryStoreOptions extends Partial<StoreLimits> {
  clock: Clock;
  /** For the epoch. */
  random?: Random;
}

export function createMemoryStore({ clock, random = systemRandom, ...overrides }: MemoryStoreOptions): Store {
  return new MemoryStore(clock, uuid(random), { ...defaultStoreLimits, ...overrides });
}

interface Watcher {
  readonly prefix: string;
  position: number;
  unread: WatchBatch[];
  end: { error?: StoreError } | undefined;
  wake: () => void;
}

class MemoryStore implements Store {
  readonly epoch: string;
  revision = 0;
  floor = 0;
  readonly #clock: Clock;
  readonly #limits: StoreLimits;
  /** Every event since the floor, in order. */
  #log: WatchEvent[] = [];
  /** What each key held, oldest first; undefined values are deletions. */
  #history = new Map<string, { revision: number; value: Uint8Array | undefined }[]>();
  readonly #watchers = new Set<Watcher>();
  readonly #election: Election;
  readonly #closed = new AbortController();
  #bookmarks: Timer | undefined;

  constructor(clock: Clock, epoch: string, limits: StoreLimits) {
    this.epoch = epoch;
    this.#clock = clock;
    this.#limits = limits;
    this.#election = new Election({ store: this, clock, closed: this.#closed.signal });
  }

  async get(key: string, options?: { revision?: number }): Promise<Entry | undefined> {
    return this.#entryAt(key, this.#readRevision(options?.revision));
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListResult> {
    const revision = this.#readRevision(options.revision);
    const start = Buffer.from(options.start ?? prefix);
    const found = [...this.#history.keys()]
      .filter((key) => key.startsWith(prefix))
      .map((key) => ({ key, bytes: Buffer.from(key) }))
      .filter(({ bytes }) => Buffer.compare(bytes, start) >= 0)
      .sort((left, right) => Buffer.compare(left.bytes, right.bytes))
      .flatMap(({ key }) => this.#entryAt(key, revision) ?? []);
    const limit = options.limit || found.length;
    return { entries: found.slice(0, limit), revision, more: found.length > limit };
  }

  async count(prefix: string): Promise<number> {
    return (await this.list(prefix)).entries.length;
  }

  async create(key: string, value: Uint8Array): Promise<number> {
    return this.#write([{ expect: 'absent', key }], [{ type: 'put', key, value }]);
  }

  async update(key: string, value: Uint8Array, expectedRevision: number): Promise<number> {
    return this.#write([{ expect: 'exact', key, revision: expectedRevision }], [{ type: 'put', key, value }]);
  }

  async delete(key: string, revision?: number): Promise<number> {
    const condition: Condition =
      revision === undefined ? { expect: 'present', key } : { expect: 'exact', key, revision };
    return this.#write([condition], [{ type: 'delete', key }]);
  }

  async txn(guards: readonly Guard[], operations: readonly Operation[]): Promise<number> {
    return this.#write(guardConditions(guards), operations);
  }

  async *watch(
    prefix: string,
    fromRevision: number,
    { signal }: { signal: AbortSignal },
  ): AsyncGenerator<WatchBatch, void, undefined> {
    this.#readRevision(fromRevision);
    const watcher: Watcher = { prefix, position: fromRevision, unread: [], end: undefined, wake: () => {} };
    const stop = () => endWatch(watcher);
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    const missed = this.#log.filter(({ key, revision }) => revision > fromRevision && key.startsWith(prefix));
    if (this.revision > fromRevision) watcher.unread.push({ revision: this.revision, events: missed });
    watcher.position = this.revision;
    this.#watchers.add(watcher);
    this.#bookmarks ??= this.#bookmarkLater();
    try {
      for (;;) {
        if (watcher.end?.error) throw watcher.end.error;
        if (watcher.end) return;
        const next = watcher.unread.shift();
        if (next) yield next;
        else await new Promise<void>((resolve) => (watcher.wake = resolve));
      }
    } finally {
      signal.removeEventListener('abort', stop);
      this.#watchers.delete(watcher);
    }
  }

  async compact(revision: number): Promise<void> {
    this.#closed.signal.throwIfAborted();
    if (revision > this.revision) checkReadable(revision, this);
    if (revision <= this.floor) return;
    this.floor = revision;
    this.#log = this.#log.filter((event) => event.revision > revision);
    for (const [key, versions] of this.#history) {
      const base = versions.findLast((version) => version.revision <= revision);
      const kept = versions.filter(
        (version) => version.revision > revision || (version === base && base.value),
      );
      if (kept.length > 0) this.#history.set(key, kept);
      else this.#history.delete(key);
    }
  }

  lead(name: string, options: { ttlMs: number; signal: AbortSignal }): Promise<Leadership> {
    return this.#election.lead(name, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort(new StoreError('Closed', 'the store is closed'));
    this.#bookmarks?.cancel();
    for (const watcher of this.#watchers) endWatch(watcher);
  }

  #readRevision(asked = this.revision): number {
    this.#closed.signal.throwIfAborted();
    checkReadable(asked, this);
    return asked;
  }

  #entryAt(key: string, revision: number): Entry | undefined {
    const versions = this.#history.get(key);
    const latest = versions?.at(-1);
    const isNow = latest !== undefined && latest.revision <= revision;
    const version = isNow ? latest : versions?.findLast((candidate) => candidate.revision <= revision);
    return version?.value && { key, value: version.value, revision: version.revision };
  }

  #write(conditions: readonly Condition[], operations: readonly Operation[]): number {
    this.#closed.signal.throwIfAborted();
    writeRequest(conditions, operations, this.#limits);
    for (const condition of conditions) {
      const refused = refusal(condition, this.#entryAt(condition.key, this.revision)?.revision ?? 0);
      if (refused) throw refused;
    }
    const revision = this.revision + 1;
    const events = operations.flatMap((operation) => this.#event(operation, revision) ?? []);
    if (events.length === 0) return this.revision;
    for (const { key, value } of events) {
      const versions = this.#history.get(key);
      if (versions) versions.push({ revision, value });
      else this.#history.set(key, [{ revision, value }]);
    }
    this.#log.push(...events);
    this.revision = revision;
    for (const watcher of this.#watchers) this.#offer(watcher, events);
    return revision;
  }

  #event(operation: Operation, revision: number): WatchEvent | undefined {
    const { type, key } = operation;
    const previous = this.#entryAt(key, this.revision);
    if (type === 'delete') return previous && { type, key, revision, previous };
    return { type, key, revision, value: operation.value, ...(previous && { previous }) };
  }

  #offer(watcher: Watcher, events: readonly WatchEvent[]): void {
    const wanted = events.filter(({ key }) => key.startsWith(watcher.prefix));
    if (wanted.length === 0) return;
    watcher.position = this.revision;
    watcher.unread.push({ revision: this.revision, events: wanted });
    if (watcher.unread.length === 1) return watcher.wake();
    const unread = watcher.unread.flatMap((batch) => batch.events);
    const bytes = unread.reduce((sum, event) => sum + eventBytes(event), 0);
    const fits =
      unread.length <= this.#limits.watchBufferEventsMax && bytes <= this.#limits.watchBufferBytesMax;
    if (fits) watcher.wake();
    else {
      const message = `the watcher left ${unread.length} events unread; list again and watch from there`;
      endWatch(watcher, new StoreError('WatchOverflow', message));
    }
  }

  #bookmarkLater(): Timer {
    const task = () => {
      this.#bookmarks = this.#watchers.size > 0 ? this.#bookmarkLater() : undefined;
      for (const watcher of this.#watchers) {
        if (watcher.unread.length > 0 || watcher.position === this.revision) continue;
        watcher.position = this.revision;
        watcher.unread.push({ revision: this.revision, events: [] });
        watcher.wake();
      }
    };
    return this.#clock.after(this.#limits.bookmarkIntervalMs, task, { unref: true });
  }
}

function endWatch(watcher: Watcher, error?: StoreError): void {
  watcher.end ??= error ? { error } : {};
  watcher.unread = [];
  watcher.wake();
}

function eventBytes({ value, previous }: WatchEvent): number {
  return (value?.byteLength ?? 0) + (previous?.value.byteLength ?? 0);
}
