import type { KindDefinition, KubernetesObject } from '../../protocol/kinds/define-kind.ts';

/**
 * A live, read-only copy of one kind, filled by list and watch, with indexes. What it returns is shared by everyone:
 * never change it (copy first, or use `Registry.mutate`).
 */
export interface Informer<T extends KubernetesObject> {
  readonly kind: KindDefinition<T>;
  get(namespace: string | undefined, name: string): Readonly<T> | undefined;
  getByUid(uid: string): Readonly<T> | undefined;
  list(): Iterable<Readonly<T>>;
  readonly size: number;
  /** Objects for which the index function named `index` yields `value`. Costs the size of the answer. */
  byIndex(index: string, value: string): readonly Readonly<T>[];
  /** The same one by one, for who may need only the first of many; not to be kept over an await. */
  eachByIndex(index: string, value: string): Iterable<Readonly<T>>;
  /** Adds an index; existing objects are indexed at once. Adding the same name twice is a programmer error. */
  addIndex(index: string, values: (object: Readonly<T>) => readonly string[]): void;
  hasIndex(name: string): boolean;
  /** Called after the cache changed; existing objects are replayed as added. */
  onChange(handler: (change: CacheChange<T>) => void): Disposable;
  /** Revision the copy has reached. */
  readonly resourceVersion: string;
}

export type CacheChange<T> =
  | { type: 'added'; object: Readonly<T> }
  | { type: 'updated'; object: Readonly<T>; old: Readonly<T> }
  | { type: 'deleted'; object: Readonly<T> };

export interface Cache extends AsyncDisposable {
  /** The shared informer of a kind; the first call starts it. */
  informer<T extends KubernetesObject>(kind: KindDefinition<T>): Informer<T>;
  /** Stops the informer of a kind that is served no more; the next call of `informer` starts another. */
  release(kind: Pick<KindDefinition, 'group' | 'plural'>): void;
  /** Resolves when every informer asked for so far holds its first list. */
  synced(): Promise<void>;
}
