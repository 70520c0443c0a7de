import type { Journal, JournalChange } from '../desired/journal.ts';
import { removedKeyPrefix } from './pod-record.ts';

/**
 * UIDs that were torn down for good, from the journal. Kept while the server names the pod, and the newest few
 * beyond that: a server restored from an old backup names pods again that are long gone.
 */
export const removedKeptMax = 256;

export function isRemoved(journal: Journal, uid: string): boolean {
  return journal.entries.has(removedKeyPrefix + uid);
}

/** Tombstones that can go: no longer named, and not among the newest. */
export function outdatedTombstones(journal: Journal, isNamed: (uid: string) => boolean): JournalChange[] {
  const unnamed = [...journal.entries.keys()].filter(
    (key) => key.startsWith(removedKeyPrefix) && !isNamed(key.slice(removedKeyPrefix.length)),
  );
  const surplus = Math.max(0, unnamed.length - removedKeptMax);
  return unnamed.slice(0, surplus).map((key) => ({ key, value: undefined }));
}
