/**
 * What the Level driver knows without its disk: every key with its changes since the floor, and those changes in
 * commit order. Answers which version a reader sees, what changed since a revision, and what a compaction may
 * forget; never holds a value. Changes in one synchronous step per commit, so that whatever reads it between two
 * steps sees one revision.
 */
import { KeyIndex } from './key-index.ts';
import { inCommitOrder, type Version, versionAt } from './version.ts';

export interface Selection {
  prefix: string;
  start?: string | undefined;
  limit?: number | undefined;
  revision: number;
}

export interface Changes {
  /** In commit order; never a part of a transaction. */
  versions: Version[];
  /** Nothing else changed under the prefix up to this revision. */
  through: number;
}

export class History {
  #index = new KeyIndex();
  /** Changes in commit order; the first `#forgotten` are forgotten already and cut off in one go now and then. */
  #changes: Version[] = [];
  #forgotten = 0;
  revision = 0;
  floor = 0;

  newest(key: string): Version | undefined {
    return this.#index.get(key);
  }

  /** Revision of the last change of `key`; 0 when it does not exist. */
  revisionOf(key: string): number {
    const version = this.#index.get(key);
    return version && !version.deleted ? version.revision : 0;
  }

  count(prefix: string): number {
    return this.#index.count(prefix).live;
  }

  /** Takes committed versions, in commit order. */
  commit(versions: readonly Version[], revision: number): void {
    for (const version of versions) {
      this.#index.set(version);
      this.#changes.push(version);
    }
    this.revision = revision;
  }

  /**
   * Takes what a disk holds: the chains of all keys, newest version of each, in any order of keys.
   * Changes at or below the floor must be reachable only as the one version of their key that is still seen there.
   */
  load(newest: Iterable<Version>, meta: { revision: number; floor: number }): void {
    this.revision = meta.revision;
    this.floor = meta.floor;
    for (const head of newest) {
      this.#index.set(head);
      let version: Version | undefined = head;
      while (version && version.revision > meta.floor) {
        this.#changes.push(version);
        version = version.previous;
      }
    }
    this.#changes.sort(inCommitOrder);
  }

  /** Costs the size of the answer plus the keys that were deleted since the floor. */
  select({ prefix, start, limit, revision }: Selection): { versions: Version[]; more: boolean } {
    const versions: Version[] = [];
    let more = false;
    this.#index.walk(prefix, start ?? prefix, (newest) => {
      const version = versionAt(newest, revision);
      if (!version) return true;
      more = limit !== undefined && limit > 0 && versions.length === limit;
      if (!more) versions.push(version);
      return !more;
    });
    return { versions, more };
  }

  /**
   * Changes under `prefix` after revision `after` (not below the floor), about `limit` of them. Reads the log or
   * the keys under the prefix, whichever is shorter, so that neither a watcher of one key pays for a busy store nor
   * one of everything for a large store.
   */
  changesAfter(prefix: string, after: number, limit: number): Changes {
    const first = this.#firstChangeAfter(after);
    const inLog = this.#changes.length - first;
    if (inLog === 0) return { versions: [], through: this.revision };
    return inLog <= this.#index.count(prefix).all
      ? this.#changesInLog(prefix, first, limit)
      : this.#changesOfKeys(prefix, after, limit);
  }

  /** The oldest changes at or below the floor. Forgetting one makes the version before it unreadable. */
  forgettable(limit: number): Version[] {
    const found: Version[] = [];
    for (let at = this.#forgotten; at < this.#changes.length && found.length < limit; at++) {
      const version = this.#changes[at];
      if (!version || version.revision > this.floor) break;
      found.push(version);
    }
    return found;
  }

  /** Drops what `forgettable` returned, once the disk no longer holds it. */
  forget(versions: readonly Version[]): void {
    for (const version of versions) {
      version.previous = undefined;
      if (version.deleted && this.#index.get(version.key) === version) this.#index.remove(version.key);
    }
    this.#forgotten += versions.length;
    if (this.#forgotten < this.#changes.length / 2) return;
    this.#changes = this.#changes.slice(this.#forgotten);
    this.#forgotten = 0;
  }

  #changesInLog(prefix: string, first: number, limit: number): Changes {
    const versions: Version[] = [];
    for (let at = first; at < this.#changes.length; at++) {
      const version = this.#changes[at];
      if (!version) break;
      const last = versions.at(-1);
      if (last && versions.length >= limit && version.revision > last.revision) {
        return { versions, through: last.revision };
      }
      if (version.key.startsWith(prefix)) versions.push(version);
    }
    return { versions, through: this.revision };
  }

  #changesOfKeys(prefix: string, after: number, limit: number): Changes {
    const versions: Version[] = [];
    this.#index.walk(prefix, prefix, (newest) => {
      for (let at: Version | undefined = newest; at && at.revision > after; at = at.previous)
        versions.push(at);
      return true;
    });
    versions.sort(inCommitOrder);
    const through = versions[limit - 1]?.revision;
    if (through === undefined || through === versions.at(-1)?.revision) {
      return { versions, through: this.revision };
    }
    return { versions: versions.filter(({ revision }) => revision <= through), through };
  }

  #firstChangeAfter(revision: number): number {
    let low = this.#forgotten;
    let high = this.#changes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#changes[middle]?.revision ?? 0) <= revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
