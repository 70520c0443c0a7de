import type { Logger } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import { emptySetSum, entrySum, type SetSum, setHash, sumOf } from '../../protocol/sync-hash.ts';
import type { Message } from '../../protocol/topics/define-topic.ts';
import type { SetEntry, set } from '../../protocol/topics/sync.ts';
import type { Journal } from './journal.ts';

/** What this device shall run: the last accepted desired state, on disk before anything acts on it. */
export interface DesiredSet {
  /** '' before the first set was accepted. */
  readonly epoch: string;
  readonly revision: number;
  readonly hash: string;
  /** By key: `Pod/<uid>`, `ConfigMap/<namespace>/<name>`, `Secret/<namespace>/<name>`. */
  readonly entries: ReadonlyMap<string, SetEntry>;
  /** Called after a change is on disk, with the keys that were put or deleted. */
  onChange(handler: (keys: ReadonlySet<string>) => void): Disposable;
}

/** The set as the sync protocol sees it. */
export interface WritableDesiredSet extends DesiredSet {
  /**
   * False when the entries are not surely those of `epoch` and `revision`: they still run, but the server is asked
   * anew.
   */
  readonly trusted: boolean;
  /** Names the present state in an index; spent by the next change, so that only one snapshot can answer it. */
  readonly nonce: string;
  /**
   * One message at a time, in the order of calls. Rejects with a `JournalError` when it could not be stored; then
   * nothing changed.
   */
  apply(message: SetMessage): Promise<ApplyOutcome>;
}

export type SetMessage = Message<typeof set>;

export type ApplyOutcome =
  /** Stored and announced. */
  | 'applied'
  /** Nothing new. */
  | 'older'
  /** It builds on a revision that this device has not reached. */
  | 'gap'
  /** It belongs to another epoch than the entries. */
  | 'foreign'
  /** It answers an index of an earlier state. */
  | 'stale'
  /** Applied, it would not give the hash it promises. */
  | 'mismatch';

export interface DesiredSetOptions {
  /** Open; this set owns the keys `desired` and `entry/…` in it. */
  journal: Journal;
  log: Logger;
  random: Random;
}

interface Header {
  epoch: string;
  revision: number;
  hash: string;
}

const headerKey = 'desired';
const entryPrefix = 'entry/';
const nonceBytes = 8;

export function openDesiredSet(options: DesiredSetOptions): WritableDesiredSet {
  return new StoredSet(options);
}

class StoredSet implements WritableDesiredSet {
  readonly #journal: Journal;
  readonly #log: Logger;
  readonly #random: Random;
  readonly #handlers = new Set<(keys: ReadonlySet<string>) => void>();
  readonly #entries: Map<string, SetEntry>;
  #sum: SetSum;
  #header: Header;
  #tail: Promise<unknown> = Promise.resolve();
  nonce: string;
  trusted: boolean;

  constructor({ journal, log, random }: DesiredSetOptions) {
    this.#journal = journal;
    this.#log = log;
    this.#random = random;
    this.#entries = storedEntries(journal);
    this.#sum = sumOf(this.#entries.values());
    const stored = journal.entries.get(headerKey) as Header | undefined;
    this.#header = stored ?? { epoch: '', revision: 0, hash: setHash(emptySetSum) };
    this.trusted = !journal.damaged && this.#header.hash === setHash(this.#sum);
    this.nonce = freshNonce(random);
    if (!this.trusted) log.error('desired state on disk is damaged; the server is asked for all of it');
  }

  get epoch(): string {
    return this.#header.epoch;
  }

  get revision(): number {
    return this.#header.revision;
  }

  get hash(): string {
    return setHash(this.#sum);
  }

  get entries(): ReadonlyMap<string, SetEntry> {
    return this.#entries;
  }

  onChange(handler: (keys: ReadonlySet<string>) => void): Disposable {
    this.#handlers.add(handler);
    return { [Symbol.dispose]: () => this.#handlers.delete(handler) };
  }

  apply(message: SetMessage): Promise<ApplyOutcome> {
    const result = this.#tail.then(() => this.#applyNow(message));
    this.#tail = result.catch(() => undefined);
    return result;
  }

  async #applyNow(message: SetMessage): Promise<ApplyOutcome> {
    const refusal = refuse(message, { header: this.#header, nonce: this.nonce, trusted: this.trusted });
    if (refusal) return refusal;
    const { epoch, to: revision, hash } = message;
    const next = withChanges(this.#sum, this.#entries, message);
    if (setHash(next.sum) !== hash) {
      this.trusted = false;
      this.#log.warn('desired state does not add up; the server is asked for all of it', { epoch, revision });
      return 'mismatch';
    }
    const header: Header = { epoch, revision, hash };
    const stored = [...next.changes].map(([key, value]) => ({ key: entryPrefix + key, value }));
    await this.#journal.write([...stored, { key: headerKey, value: header }]);
    this.#header = header;
    this.#sum = next.sum;
    this.trusted = true;
    this.nonce = freshNonce(this.#random);
    for (const [key, entry] of next.changes) {
      if (entry) this.#entries.set(key, entry);
      else this.#entries.delete(key);
    }
    if (next.changes.size > 0) this.#announce(new Set(next.changes.keys()));
    return 'applied';
  }

  #announce(keys: ReadonlySet<string>): void {
    for (const handler of this.#handlers) {
      try {
        handler(keys);
      } catch (error) {
        this.#log.error('a listener to the desired state failed', { error });
      }
    }
  }
}

function storedEntries(journal: Journal): Map<string, SetEntry> {
  const entries = new Map<string, SetEntry>();
  for (const [key, value] of journal.entries) {
    if (key.startsWith(entryPrefix)) entries.set(key.slice(entryPrefix.length), value as SetEntry);
  }
  return entries;
}

function refuse(
  message: SetMessage,
  own: { header: Header; nonce: string; trusted: boolean },
): ApplyOutcome | undefined {
  const sameEpoch = message.epoch === own.header.epoch;
  if (message.type === 'snapshot') {
    if (message.nonce !== own.nonce) return 'stale';
    return sameEpoch && message.to < own.header.revision ? 'older' : undefined;
  }
  if (!sameEpoch) return 'foreign';
  if (message.to <= own.header.revision) return 'older';
  if (message.from > own.header.revision) return 'gap';
  return own.trusted ? undefined : 'mismatch';
}

/** What applying the message would do, without doing it: the sum, and the entries that change. */
function withChanges(
  before: SetSum,
  entries: ReadonlyMap<string, SetEntry>,
  message: SetMessage,
): { sum: SetSum; changes: Map<string, SetEntry | undefined> } {
  const changes = new Map<string, SetEntry | undefined>();
  for (const entry of message.put) changes.set(entry.key, entry);
  for (const key of message.del) changes.set(key, undefined);
  let sum = before;
  for (const [key, entry] of changes) {
    const old = entries.get(key);
    // A cumulative delta repeats what is here already: neither flash nor workers need to hear of it.
    if (old?.digest === entry?.digest) changes.delete(key);
    if (old) sum -= entrySum(key, old.digest);
    if (entry) sum += entrySum(key, entry.digest);
  }
  return { sum, changes };
}

function freshNonce(random: Random): string {
  return Buffer.from(random.bytes(nonceBytes)).toString('hex');
}
