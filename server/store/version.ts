/** One change of one key, as the Level driver remembers it. The value is on disk, found by (revision, slot). */
export interface Version {
  readonly key: string;
  readonly revision: number;
  /** Position among the operations of its transaction. */
  readonly slot: number;
  readonly deleted: boolean;
  /** The change before this one, as long as it can still be read. */
  previous: Version | undefined;
}

/** The version that a reader at `revision` sees, starting from the newest one of its key. */
export function versionAt(newest: Version | undefined, revision: number): Version | undefined {
  let version = newest;
  while (version && version.revision > revision) version = version.previous;
  return version?.deleted ? undefined : version;
}

export function inCommitOrder(left: Version, right: Version): number {
  return left.revision - right.revision || left.slot - right.slot;
}
