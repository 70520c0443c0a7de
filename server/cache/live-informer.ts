import { type BackoffOptions, backoffMs } from '../../lib/backoff.ts';
import { type Clock, sleep } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { KindDefinition, KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import { StatusError } from '../../protocol/status.ts';
import type { Registry } from '../registry/registry.ts';
import type { CacheChange, Informer } from './informer.ts';
import { keyOfName, keyOfObject, ObjectIndex } from './object-index.ts';

export interface InformerOptions<T extends KubernetesObject> {
  kind: KindDefinition<T>;
  registry: Pick<Registry, 'list' | 'watch'>;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
}

const backoff: BackoffOptions = { baseMs: 100, capMs: 10_000 };

type Handler<T> = (change: CacheChange<T>) => void;

/**
 * Lists once, then follows the watch from exactly the list's revision, so that no change is lost or seen twice. After a
 * failure it watches on from the revision it has reached; only when that is too old (or was never handed out by this
 * store) does it list again and tell the difference as changes.
 */
export class LiveInformer<T extends KubernetesObject> implements Informer<T> {
  readonly kind: KindDefinition<T>;
  /** Settles with the first list; rejects when the informer stops before it. */
  readonly synced: Promise<void>;
  readonly #options: InformerOptions<T>;
  readonly #objects = new ObjectIndex<T>();
  readonly #handlers = new Set<Handler<T>>();
  readonly #firstList = Promise.withResolvers<void>();
  #resourceVersion = '';
  #needsList = true;
  #failures = 0;

  constructor(options: InformerOptions<T>) {
    this.#options = options;
    this.kind = options.kind;
    this.synced = this.#firstList.promise;
    this.synced.catch(() => {});
  }

  get size(): number {
    return this.#objects.size;
  }

  get resourceVersion(): string {
    return this.#resourceVersion;
  }

  get(namespace: string | undefined, name: string): Readonly<T> | undefined {
    return this.#objects.get(keyOfName(namespace, name));
  }

  getByUid(uid: string): Readonly<T> | undefined {
    return this.#objects.getByUid(uid);
  }

  list(): Iterable<Readonly<T>> {
    return this.#objects.values();
  }

  byIndex(index: string, value: string): readonly Readonly<T>[] {
    return this.#objects.byIndex(index, value);
  }

  eachByIndex(index: string, value: string): Iterable<Readonly<T>> {
    return this.#objects.eachByIndex(index, value);
  }

  addIndex(index: string, values: (object: Readonly<T>) => readonly string[]): void {
    this.#objects.addIndex(index, values);
  }

  hasIndex(name: string): boolean {
    return this.#objects.hasIndex(name);
  }

  onChange(handler: Handler<T>): Disposable {
    // A handler of its own for each call, so that one function can be added twice and disposed once.
    const own: Handler<T> = (change) => handler(change);
    this.#handlers.add(own);
    for (const object of this.#objects.values()) this.#tell(own, { type: 'added', object });
    return { [Symbol.dispose]: () => void this.#handlers.delete(own) };
  }

  /** Runs until the signal aborts. */
  async run(): Promise<void> {
    const { signal, log, clock, kind } = this.#options;
    while (!signal.aborted) {
      try {
        if (this.#needsList) await this.#relist();
        await this.#follow();
      } catch (error) {
        if (signal.aborted) break;
        if (isOutOfReach(error)) this.#needsList = true;
        log.warn('informer interrupted', { kind: kind.kind, failures: this.#failures, error });
      }
      if (signal.aborted) break;
      this.#failures += 1;
      await sleep(clock, backoffMs(this.#failures, backoff), signal).catch(() => {});
    }
    this.#firstList.reject(new Error(`the informer of ${kind.plural} was stopped before its first list`));
  }

  async #relist(): Promise<void> {
    const { registry, kind, signal } = this.#options;
    const { items, resourceVersion } = await registry.list(kind);
    if (signal.aborted) return;
    const listed = new Set<string>();
    for (const object of items) {
      listed.add(keyOfObject(object));
      this.#put(object);
    }
    for (const key of this.#objects.keys()) if (!listed.has(key)) this.#remove(key);
    this.#resourceVersion = resourceVersion;
    this.#needsList = false;
    this.#firstList.resolve();
  }

  async #follow(): Promise<void> {
    const { registry, kind, signal } = this.#options;
    const changes = registry.watch(kind, {
      resourceVersion: this.#resourceVersion,
      signal,
      bookmarks: true,
      bookmarkIntervalMs: 0,
    });
    for await (const change of changes) {
      this.#failures = 0;
      if (change.type === 'BOOKMARK') {
        this.#resourceVersion = change.resourceVersion;
        continue;
      }
      this.#resourceVersion = change.object.metadata?.resourceVersion ?? this.#resourceVersion;
      if (change.type === 'DELETED') this.#remove(keyOfObject(change.object), change.object);
      else this.#put(change.object);
    }
  }

  #put(object: Readonly<T>): void {
    const key = keyOfObject(object);
    const old = this.#objects.get(key);
    if (old && isSameVersion(old, object)) return;
    if (old && old.metadata?.uid !== object.metadata?.uid) this.#remove(key);
    this.#objects.put(key, object);
    const replaced = old?.metadata?.uid === object.metadata?.uid ? old : undefined;
    this.#dispatch(replaced ? { type: 'updated', object, old: replaced } : { type: 'added', object });
  }

  /** `last` is how the object was when it went, where that is known better than by the copy held here. */
  #remove(key: string, last?: Readonly<T>): void {
    const old = this.#objects.get(key);
    if (!old) return;
    this.#objects.remove(key);
    this.#dispatch({ type: 'deleted', object: last ?? old });
  }

  #dispatch(change: CacheChange<T>): void {
    // A handler added meanwhile was replayed this change already; one disposed meanwhile wants no more.
    const handlers = [...this.#handlers];
    for (const handler of handlers) if (this.#handlers.has(handler)) this.#tell(handler, change);
  }

  #tell(handler: Handler<T>, change: CacheChange<T>): void {
    try {
      handler(change);
    } catch (error) {
      this.#options.log.error('a change handler threw', {
        kind: this.kind.kind,
        change: change.type,
        key: keyOfObject(change.object),
        error,
      });
    }
  }
}

function isSameVersion(left: Readonly<KubernetesObject>, right: Readonly<KubernetesObject>): boolean {
  return (
    left.metadata?.resourceVersion === right.metadata?.resourceVersion &&
    left.metadata?.uid === right.metadata?.uid
  );
}

/** Whether the revision the copy has reached cannot be watched from any more. */
function isOutOfReach(error: unknown): boolean {
  if (!(error instanceof StatusError)) return false;
  const { reason, details } = error;
  if (reason === 'Expired' || reason === 'Gone') return true;
  return details.causes?.some((cause) => cause.reason === 'ResourceVersionTooLarge') ?? false;
}
