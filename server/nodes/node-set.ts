import { emptySetSum, entrySum, type SetSum, setHash } from '../../protocol/sync-hash.ts';
import type { SetEntry } from '../../protocol/topics/sync.ts';

/**
 * One node's desired set and its recent history: enough to tell a device that holds a known earlier state what
 * changed since. The history is in memory only and starts anew with the server; a device below it is asked what it
 * holds.
 *
 * Invariant: revisions only grow while this object lives, and never fall to or below one that the device has shown
 * to hold.
 */
export interface NodeSet {
  put(entry: SetEntry): void;
  remove(key: string): void;
  get(key: string): SetEntry | undefined;
  /** Of the content as it stands. Reading it ends the revision that changes are gathered in. */
  state(): SetState;
  /** What changed since `state`, or undefined when that is not a state this set is known to have had. */
  deltaFrom(state: SetState): SetDelta | undefined;
  /** The exact difference to what a device holds, as [key, digest] pairs. */
  difference(held: readonly (readonly [string, string])[]): SetChanges;
  /** The device holds `state`: what was before is forgotten. */
  acknowledge(state: SetState): void;
  /**
   * A device of this epoch holds this revision, which this run of the server did not make; later ones must be
   * above.
   */
  raiseAbove(revision: number): void;
}

export interface SetState {
  revision: number;
  hash: string;
}

export interface SetChanges {
  put: SetEntry[];
  del: string[];
}

export interface SetDelta extends SetChanges {
  from: number;
  to: number;
  hash: string;
}

interface Past extends SetState {
  /** Keys that changed to arrive here from the one before. */
  changed: readonly string[];
}

const pastsMax = 32;
const pastKeysMax = 4096;
/** Beyond this a claimed revision is nonsense; counting on from it would end in numbers that no longer grow. */
const revisionMax = Number.MAX_SAFE_INTEGER / 2;

export function createNodeSet(firstRevision: number): NodeSet {
  return new RecordedSet(firstRevision);
}

class RecordedSet implements NodeSet {
  readonly #entries = new Map<string, SetEntry>();
  #sum: SetSum = emptySetSum;
  #revision: number;
  /** Oldest first; the last one is the present state unless keys are pending. */
  #pasts: Past[];
  #pastKeys = 0;
  readonly #pending = new Set<string>();

  constructor(firstRevision: number) {
    this.#revision = firstRevision;
    this.#pasts = [{ revision: firstRevision, hash: setHash(emptySetSum), changed: [] }];
  }

  put(entry: SetEntry): void {
    const old = this.#entries.get(entry.key);
    if (old?.digest === entry.digest) return;
    if (old) this.#sum -= entrySum(old.key, old.digest);
    this.#sum += entrySum(entry.key, entry.digest);
    this.#entries.set(entry.key, entry);
    this.#changed(entry.key);
  }

  remove(key: string): void {
    const old = this.#entries.get(key);
    if (!old) return;
    this.#sum -= entrySum(key, old.digest);
    this.#entries.delete(key);
    this.#changed(key);
  }

  get(key: string): SetEntry | undefined {
    return this.#entries.get(key);
  }

  state(): SetState {
    if (this.#pending.size > 0) {
      this.#revision += 1;
      const changed = [...this.#pending];
      this.#pending.clear();
      this.#pasts.push({ revision: this.#revision, hash: setHash(this.#sum), changed });
      this.#pastKeys += changed.length;
      while (this.#pasts.length > pastsMax || (this.#pastKeys > pastKeysMax && this.#pasts.length > 1)) {
        this.#forgetOldest();
      }
    }
    return { revision: this.#revision, hash: setHash(this.#sum) };
  }

  deltaFrom({ revision, hash }: SetState): SetDelta | undefined {
    const now = this.state();
    const delta = { from: revision, to: now.revision, hash: now.hash };
    if (hash === now.hash && revision <= now.revision) return { ...delta, put: [], del: [] };
    const base = this.#pasts.findIndex((past) => past.revision === revision && past.hash === hash);
    if (base < 0) return undefined;
    const changed = new Set(this.#pasts.slice(base + 1).flatMap((past) => past.changed));
    const put: SetEntry[] = [];
    const del: string[] = [];
    for (const key of changed) {
      const entry = this.#entries.get(key);
      if (entry) put.push(entry);
      else del.push(key);
    }
    return { ...delta, put, del };
  }

  difference(held: readonly (readonly [string, string])[]): SetChanges {
    const digests = new Map(held);
    const put = this.#entries
      .values()
      .filter((entry) => digests.get(entry.key) !== entry.digest)
      .toArray();
    const del = digests
      .keys()
      .filter((key) => !this.#entries.has(key))
      .toArray();
    return { put, del };
  }

  acknowledge({ revision, hash }: SetState): void {
    if (!this.#pasts.some((past) => past.revision === revision && past.hash === hash)) return;
    while ((this.#pasts[0]?.revision ?? revision) < revision) this.#forgetOldest();
  }

  raiseAbove(revision: number): void {
    if (revision < this.#revision || revision > revisionMax) return;
    const { hash } = this.state();
    this.#revision = revision + 1;
    this.#pasts.push({ revision: this.#revision, hash, changed: [] });
  }

  #changed(key: string): void {
    this.#pending.add(key);
    // Nobody reads the set of a device that is away for months; its history must not grow for ever.
    if (this.#pending.size > pastKeysMax) this.state();
  }

  #forgetOldest(): void {
    this.#pasts.shift();
    this.#pastKeys -= this.#pasts[0]?.changed.length ?? 0;
    const [first] = this.#pasts;
    if (first) this.#pasts[0] = { ...first, changed: [] };
  }
}
