/** Every expected failure of a store. Callers branch on `code`, never on the text. */
export type StoreErrorCode =
  | 'KeyExists'
  | 'KeyNotFound'
  | 'RevisionMismatch'
  /** The revision asked for is below the floor; relist. */
  | 'Compacted'
  /** The revision asked for has not happened yet. */
  | 'FutureRevision'
  /** A watcher read too slowly and was cut off; relist. */
  | 'WatchOverflow'
  | 'ValueTooLarge'
  /** The disk is full or failing; nothing of the transaction was kept, reads go on. */
  | 'StorageFailed'
  /** Another process holds the data directory. */
  | 'Locked'
  | 'Closed';

export class StoreError extends Error {
  readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'StoreError';
    this.code = code;
  }
}
