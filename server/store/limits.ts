/** Every bound of a store, in one place, the unit in the name. Drivers take overrides; tests lower them. */
export interface StoreLimits {
  /** UTF-8 bytes. The longest Kubernetes key (resource, namespace, name) is below 600. */
  keyBytesMax: number;
  /** One value; the API allows one encoded object as much (as etcd's default request limit). */
  valueBytesMax: number;
  /** Guards and operations of one transaction, each (etcd allows 128). */
  txnOperationsMax: number;
  /** Bytes of one transaction, and of all transactions that wait; above it the disk does not keep up. */
  queueBytesMax: number;
  /** Transactions and bytes that share one fsync: bounds the pause that committing them makes. */
  batchTxnsMax: number;
  batchBytesMax: number;
  /** What one watcher may leave unread before it is cut off with `WatchOverflow`. */
  watchBufferEventsMax: number;
  watchBufferBytesMax: number;
  /** Watchers that are told of a change in one turn; then everybody else has theirs. */
  watchersWokenPerTurn: number;
  /** Events that a watcher which catches up gets at once. */
  replayEventsMax: number;
  /** An idle watcher learns the store's revision this often. */
  bookmarkIntervalMs: number;
}

export const defaultStoreLimits: Readonly<StoreLimits> = {
  keyBytesMax: 2 * 1024,
  valueBytesMax: 1536 * 1024,
  txnOperationsMax: 512,
  queueBytesMax: 64 * 1024 * 1024,
  batchTxnsMax: 1_000,
  batchBytesMax: 4 * 1024 * 1024,
  watchBufferEventsMax: 10_000,
  watchBufferBytesMax: 32 * 1024 * 1024,
  watchersWokenPerTurn: 100,
  replayEventsMax: 500,
  bookmarkIntervalMs: 5_000,
};

/** What only the Level driver needs. */
export interface LevelLimits extends StoreLimits {
  /** Values kept in memory, most recently used first, so that an event's previous value costs no read. */
  valueCacheBytesMax: number;
  /** LevelDB's cache of uncompressed blocks. */
  blockCacheBytes: number;
  /** LevelDB holds up to two of these in memory and replays at most one at start. */
  writeBufferBytes: number;
  /** Values read from disk in one go; the event loop gets a turn in between. */
  readChunkEntries: number;
  /** Versions one step of a compaction forgets; writers get their turn in between. */
  compactionStepVersions: number;
  /** A store whose disk failed tries to write again this often at most. */
  recoveryIntervalMs: number;
}

export const defaultLevelLimits: Readonly<LevelLimits> = {
  ...defaultStoreLimits,
  valueCacheBytesMax: 32 * 1024 * 1024,
  blockCacheBytes: 8 * 1024 * 1024,
  writeBufferBytes: 4 * 1024 * 1024,
  readChunkEntries: 500,
  compactionStepVersions: 256,
  recoveryIntervalMs: 1_000,
};
