/**
 * The store on LevelDB. Keys and revisions live in memory (`History`), values on disk, each written once; a
 * compare-and-swap or a count therefore never touches the disk, and a list reads exactly the values it returns.
 * (docs/decisions/0010-store-layout.md)
 */
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { type Random, systemRandom } from '../../lib/random.ts';
import { StoreError } from './errors.ts';
import { type Batch, GroupCommit } from './group-commit.ts';
import { History } from './history.ts';
import { Election } from './leadership.ts';
import { closed, LevelHandle } from './level-handle.ts';
import { metaKeys, recordKeys } from './level-keys.ts';
import { loadHistory } from './level-load.ts';
import { LevelReader, watchEvent } from './level-reader.ts';
import { watchLevel } from './level-watch.ts';
import { defaultLevelLimits, type LevelLimits } from './limits.ts';
import { type CommitPlan, planCommit } from './plan-commit.ts';
import type {
  Entry,
  Guard,
  Leadership,
  ListOptions,
  ListResult,
  Operation,
  Store,
  WatchBatch,
} from './store.ts';
import { ValueCache } from './value-cache.ts';
import { type Version, versionAt } from './version.ts';
import { WatchHub } from './watch-hub.ts';
import { type Condition, checkReadable, guardConditions, writeRequest } from './write-request.ts';

export interface LevelStoreOptions extends Partial<LevelLimits> {
  /** Created when missing; belongs to one process at a time. */
  directory: string;
  clock: Clock;
  log: Logger;
  /** For the epoch of a new store. */
  random?: Random;
}

/**
 * Opens the store in `directory`, or creates it there with a new epoch. Fails with `Locked` when another process holds
 * it, with `StorageFailed` when it cannot be read or written, or was written by an unknown format.
 */
export async function openLevelStore(options: LevelStoreOptions): Promise<Store> {
  const { directory, clock, log, random = systemRandom, ...overrides } = options;
  const limits = { ...defaultLevelLimits, ...overrides };
  const handle = new LevelHandle({ directory, clock, log, limits });
  await handle.open();
  try {
    const history = new History();
    const { epoch, garbage } = await loadHistory(handle, history, random);
    const store = new LevelStore({ handle, history, epoch, clock, log, limits });
    store.sweep(garbage);
    return store;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

interface LevelStoreParts {
  handle: LevelHandle;
  history: History;
  epoch: string;
  clock: Clock;
  log: Logger;
  limits: LevelLimits;
}

class LevelStore implements Store {
  readonly epoch: string;
  readonly #handle: LevelHandle;
  readonly #history: History;
  readonly #log: Logger;
  readonly #limits: LevelLimits;
  readonly #cache: ValueCache;
  readonly #reader: LevelReader;
  readonly #hub: WatchHub;
  readonly #writer: GroupCommit;
  readonly #election: Election;
  readonly #closed = new AbortController();
  /** Compactions run one after the other. */
  #compacting: Promise<void> = Promise.resolve();
  #disposed: Promise<void> | undefined;

  constructor({ handle, history, epoch, clock, log, limits }: LevelStoreParts) {
    this.epoch = epoch;
    this.#handle = handle;
    this.#history = history;
    this.#log = log;
    this.#limits = limits;
    this.#cache = new ValueCache(limits.valueCacheBytesMax);
    this.#reader = new LevelReader(handle, this.#cache);
    this.#hub = new WatchHub({ clock, limits, revision: () => history.revision });
    this.#writer = new GroupCommit({ limits, commit: (batch) => this.#commit(batch) });
    this.#election = new Election({ store: this, clock, closed: this.#closed.signal });
  }

  get revision(): number {
    return this.#history.revision;
  }

  get floor(): number {
    return this.#history.floor;
  }

  async get(key: string, options?: { revision?: number }): Promise<Entry | undefined> {
    const revision = this.#readRevision(options?.revision);
    const version = versionAt(this.#history.newest(key), revision);
    return version && this.#reader.entry(version);
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListResult> {
    const revision = this.#readRevision(options.revision);
    const { start, limit } = options;
    const { versions, more } = this.#history.select({ prefix, start, limit, revision });
    return { entries: await this.#reader.entries(versions), revision, more };
  }

  async count(prefix: string): Promise<number> {
    this.#checkOpen();
    return this.#history.count(prefix);
  }

  async create(key: string, value: Uint8Array): Promise<number> {
    return this.#write([{ expect: 'absent', key }], [{ type: 'put', key, value }]);
  }

  async update(key: string, value: Uint8Array, expectedRevision: number): Promise<number> {
    const condition: Condition = { expect: 'exact', key, revision: expectedRevision };
    return this.#write([condition], [{ type: 'put', key, value }]);
  }

  async delete(key: string, expectedRevision?: number): Promise<number> {
    const condition: Condition =
      expectedRevision === undefined
        ? { expect: 'present', key }
        : { expect: 'exact', key, revision: expectedRevision };
    return this.#write([condition], [{ type: 'delete', key }]);
  }

  async txn(guards: readonly Guard[], operations: readonly Operation[]): Promise<number> {
    return this.#write(guardConditions(guards), operations);
  }

  watch(
    prefix: string,
    fromRevision: number,
    { signal }: { signal: AbortSignal },
  ): AsyncIterable<WatchBatch> {
    const source = {
      history: this.#history,
      reader: this.#reader,
      hub: this.#hub,
      closed: this.#closed.signal,
      replayEventsMax: this.#limits.replayEventsMax,
    };
    return watchLevel(source, prefix, fromRevision, signal);
  }

  async compact(revision: number): Promise<void> {
    this.#checkOpen();
    if (revision > this.revision) checkReadable(revision, this);
    const compaction = this.#compacting.then(() => this.#compactTo(revision));
    this.#compacting = compaction.catch(() => {});
    return compaction;
  }

  lead(name: string, options: { ttlMs: number; signal: AbortSignal }): Promise<Leadership> {
    return this.#election.lead(name, options);
  }

  /** Deletes in the background what an interrupted compaction left. */
  sweep(keys: readonly string[]): void {
    const step = this.#limits.compactionStepVersions;
    const run = async () => {
      for (let at = 0; at < keys.length && !this.#closed.signal.aborted; at += step) {
        await this.#deleteRecords(keys.slice(at, at + step));
      }
    };
    const sweeping = this.#compacting.then(run);
    this.#compacting = sweeping.catch((error: unknown) => this.#log.warn('sweep stopped', { error }));
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  async #dispose(): Promise<void> {
    this.#closed.abort(closed());
    this.#hub.endAll();
    await this.#compacting;
    await this.#writer.drained();
    await this.#handle.close();
  }

  #checkOpen(): void {
    this.#closed.signal.throwIfAborted();
  }

  #readRevision(asked: number | undefined): number {
    this.#checkOpen();
    if (asked === undefined) return this.#history.revision;
    checkReadable(asked, this.#history);
    return asked;
  }

  #write(conditions: readonly Condition[], operations: readonly Operation[]): Promise<number> {
    this.#checkOpen();
    return this.#writer.transaction(writeRequest(conditions, operations, this.#limits));
  }

  async #commit(batch: Batch): Promise<void> {
    const plan = planCommit(
      batch.transactions.map(({ request }) => request),
      this.#history,
    );
    const records = batch.records.flatMap(({ operations }) => operations);
    const operations = records.length > 0 ? [...plan.operations, ...records] : plan.operations;
    const sync = plan.operations.length > 0 || batch.records.some((job) => job.sync);
    let previous: Map<Version, Uint8Array> | undefined;
    try {
      const written = operations.length > 0 ? this.#handle.write(operations, { sync }) : undefined;
      // Mostly in memory; when not, read while the disk syncs.
      [previous] = await Promise.all([this.#previousValues(plan), written]);
    } catch (error) {
      settleFailed(batch, plan, error);
      return;
    }
    this.#apply(plan, previous);
    settle(batch, plan);
  }

  #apply(plan: CommitPlan, previous: Map<Version, Uint8Array> | undefined): void {
    if (plan.versions.length === 0) return;
    this.#history.commit(plan.versions, plan.revision);
    const valueOf = (version: Version) => plan.values.get(version) ?? previous?.get(version);
    if (previous) {
      this.#hub.publish(plan.versions, plan.revision, (version) =>
        watchEvent(version, version.previous, valueOf),
      );
    } else {
      this.#hub.endAll(new StoreError('WatchOverflow', 'a previous value could not be read; list again'));
    }
    for (const [version, value] of plan.values) this.#cache.set(version, value);
  }

  /** Undefined when the disk failed to read them: that must not fail a write that is durable already. */
  async #previousValues(plan: CommitPlan): Promise<Map<Version, Uint8Array> | undefined> {
    const previous = plan.versions.flatMap((version) => {
      const before = version.previous;
      return before && !plan.values.has(before) ? before : [];
    });
    try {
      return await this.#reader.values(previous);
    } catch (error) {
      this.#log.error('store cannot read a previous value', { error });
      return undefined;
    }
  }

  async #compactTo(revision: number): Promise<void> {
    const history = this.#history;
    if (revision > history.floor) {
      this.#checkOpen();
      const value = Buffer.from(String(revision));
      await this.#writer.records([{ type: 'put', key: metaKeys.floor, value }], { sync: true });
      history.floor = revision;
    }
    for (;;) {
      this.#checkOpen();
      const step = history.forgettable(this.#limits.compactionStepVersions);
      if (step.length === 0) return;
      await this.#deleteRecords(step.flatMap(unreadableOnceForgotten).flatMap(recordKeys));
      for (const version of step.flatMap(unreadableOnceForgotten)) this.#cache.delete(version);
      history.forget(step);
    }
  }

  /** Unsynced: what a crash brings back is garbage below the floor and swept at the next start. */
  async #deleteRecords(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return;
    await this.#writer.records(
      keys.map((key) => ({ type: 'del', key })),
      { sync: false },
    );
  }
}

/** At the floor a change hides the version before it, and a deletion hides itself as well. */
function unreadableOnceForgotten(version: Version): Version[] {
  const { previous } = version;
  const hidden = previous && !previous.deleted ? [previous] : [];
  return version.deleted ? [...hidden, version] : hidden;
}

function settle(batch: Batch, plan: CommitPlan): void {
  for (const { resolve } of batch.records) resolve();
  for (const [at, { resolve, reject }] of batch.transactions.entries()) {
    const outcome = plan.outcomes[at];
    if (outcome?.type === 'commits') resolve(outcome.revision);
    else reject(outcome?.error);
  }
}

function settleFailed(batch: Batch, plan: CommitPlan, error: unknown): void {
  for (const { reject } of batch.records) reject(error);
  for (const [at, { reject }] of batch.transactions.entries()) {
    const outcome = plan.outcomes[at];
    reject(outcome?.type === 'refused' && outcome.final ? outcome.error : error);
  }
}
