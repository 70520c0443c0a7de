/**
 * The contract every store driver meets (test/conformance/store runs over all of them).
 *
 * A store maps keys to bytes and knows no kinds. One transaction is one revision: object, log entry and counter are
 * one atomic, fsynced batch; a promise that resolved is durable. Revisions are positive, grow by one per transaction
 * and are never reused within an epoch.
 *
 * Keys are non-empty well-formed strings, ordered by their UTF-8 bytes. Values are shared, not copied: whoever
 * hands bytes over, or is handed some, never changes them.
 */
export interface Store extends AsyncDisposable {
  /** Changes when the store is created or restored from a backup; revisions of two epochs are not comparable. */
  readonly epoch: string;
  /** Revision of the last committed transaction; 0 in an empty store. */
  readonly revision: number;
  /** Reads at a revision below this fail with `Compacted`. */
  readonly floor: number;

  get(key: string, options?: { revision?: number }): Promise<Entry | undefined>;
  /** Keys that start with `prefix`, in byte order, from `start` (inclusive) on, as they were at one revision. */
  list(prefix: string, options?: ListOptions): Promise<ListResult>;
  count(prefix: string): Promise<number>;

  /** Fails with `KeyExists`. Returns the new revision. */
  create(key: string, value: Uint8Array): Promise<number>;
  /** Fails with `KeyNotFound` or `RevisionMismatch` unless the key was last changed at `expectedRevision`. */
  update(key: string, value: Uint8Array, expectedRevision: number): Promise<number>;
  /** As `update`; without `expectedRevision` whatever is there is deleted. */
  delete(key: string, expectedRevision?: number): Promise<number>;
  /**
   * All operations or none, at one revision. A guard that does not hold fails with `RevisionMismatch`. A key may be
   * changed once; deleting a missing one does nothing. Without any change no revision is taken: returns the last one.
   */
  txn(guards: readonly Guard[], operations: readonly Operation[]): Promise<number>;

  /**
   * Every change after `fromRevision` under `prefix`, in order, without gaps, across restarts of the store. Batches
   * are whole transactions' events in revision order; an empty `events` is a bookmark: nothing under `prefix`
   * changed up to `revision`. Fails with `Compacted` below the floor, with `FutureRevision` above the last
   * revision, with `WatchOverflow` when the consumer falls more than the driver's limit behind. Ends when `signal`
   * aborts or the store closes.
   */
  watch(prefix: string, fromRevision: number, options: { signal: AbortSignal }): AsyncIterable<WatchBatch>;

  /** Forgets history below `revision`; current values stay. */
  compact(revision: number): Promise<void>;
  /** Resolves once this process leads `name`; the lease is renewed until `signal` aborts. */
  lead(name: string, options: { ttlMs: number; signal: AbortSignal }): Promise<Leadership>;
}

export interface Entry {
  readonly key: string;
  readonly value: Uint8Array;
  /** Revision of the last change to this key. */
  readonly revision: number;
}

export interface ListOptions {
  start?: string;
  limit?: number;
  revision?: number;
}

export interface ListResult {
  readonly entries: readonly Entry[];
  /** The revision the list is consistent at. */
  readonly revision: number;
  /** More keys follow the last entry; continue with `start: lastKey + '\0'` and this `revision`. */
  readonly more: boolean;
}

export interface Guard {
  key: string;
  /** 0: the key must not exist. */
  revision: number;
}

export type Operation = { type: 'put'; key: string; value: Uint8Array } | { type: 'delete'; key: string };

export interface WatchBatch {
  readonly revision: number;
  readonly events: readonly WatchEvent[];
}

export interface WatchEvent {
  readonly type: 'put' | 'delete';
  readonly key: string;
  readonly revision: number;
  /** The new value of a put; absent for a delete. */
  readonly value?: Uint8Array;
  /** What the key held before, when it held anything. */
  readonly previous?: Entry;
}

export interface Leadership {
  /** Grows with each change of leader; pass `guard` to `txn` so that a deposed leader's writes fail. */
  readonly fence: number;
  readonly guard: Guard;
  /** Aborts when leadership is lost. */
  readonly signal: AbortSignal;
}
