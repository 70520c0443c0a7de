/**
 * Small state that must survive a power cut, for whoever needs it in the agent: a map from key to value, kept in an append-only file of
 * checksummed records that is rewritten when mostly garbage. A torn tail is cut off at opening, never believed.
 */
export interface Journal extends AsyncDisposable {
  /** What the file holds; current as of the last resolved write. */
  readonly entries: ReadonlyMap<string, unknown>;
  /** All changes or none; an undefined value removes the key. Durable when resolved; calls in flight share one fsync. */
  write(changes: readonly JournalChange[]): Promise<void>;
  /** Bytes written to disk since opening, for the flash-wear budget. */
  readonly bytesWritten: number;
}

export interface JournalChange {
  key: string;
  value: unknown;
}
