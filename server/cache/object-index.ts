import type { KubernetesObject } from '../../protocol/kinds/define-kind.ts';

/**
 * The objects of one kind by key, by uid and by whatever indexes were added. Pure bookkeeping: every put and remove
 * keeps all of them in step, and a look-up costs the size of its answer.
 */
export type IndexValues<T> = (object: Readonly<T>) => readonly string[];

interface Index<T> {
  readonly valuesOf: IndexValues<T>;
  readonly byValue: Map<string, Map<string, Readonly<T>>>;
}

export class ObjectIndex<T extends KubernetesObject> {
  readonly #byKey = new Map<string, Readonly<T>>();
  readonly #byUid = new Map<string, Readonly<T>>();
  readonly #indexes = new Map<string, Index<T>>();

  get size(): number {
    return this.#byKey.size;
  }

  get(key: string): Readonly<T> | undefined {
    return this.#byKey.get(key);
  }

  getByUid(uid: string): Readonly<T> | undefined {
    return this.#byUid.get(uid);
  }

  values(): Iterable<Readonly<T>> {
    return this.#byKey.values();
  }

  keys(): Iterable<string> {
    return this.#byKey.keys();
  }

  byIndex(name: string, value: string): readonly Readonly<T>[] {
    return [...(this.#index(name).byValue.get(value)?.values() ?? [])];
  }

  /** As `byIndex`, one by one: nothing may be put or removed meanwhile. */
  eachByIndex(name: string, value: string): Iterable<Readonly<T>> {
    return this.#index(name).byValue.get(value)?.values() ?? [];
  }

  hasIndex(name: string): boolean {
    return this.#indexes.has(name);
  }

  addIndex(name: string, valuesOf: IndexValues<T>): void {
    if (this.#indexes.has(name)) throw new Error(`the index ${name} exists already`);
    const index: Index<T> = { valuesOf, byValue: new Map() };
    for (const [key, object] of this.#byKey) enter(index, key, valuesOf(object), object);
    this.#indexes.set(name, index);
  }

  /** Puts `object` in place of what `key` held. */
  put(key: string, object: Readonly<T>): void {
    const entered = [...this.#indexes.values()].map((index) => ({ index, values: index.valuesOf(object) }));
    this.remove(key);
    this.#byKey.set(key, object);
    if (object.metadata?.uid) this.#byUid.set(object.metadata.uid, object);
    for (const { index, values } of entered) enter(index, key, values, object);
  }

  remove(key: string): void {
    const object = this.#byKey.get(key);
    if (!object) return;
    this.#byKey.delete(key);
    if (object.metadata?.uid) this.#byUid.delete(object.metadata.uid);
    for (const index of this.#indexes.values()) leave(index, key, object);
  }

  #index(name: string): Index<T> {
    const index = this.#indexes.get(name);
    if (!index) throw new Error(`there is no index ${name}`);
    return index;
  }
}

export function keyOfObject({ metadata }: Readonly<KubernetesObject>): string {
  return keyOfName(metadata?.namespace, metadata?.name ?? '');
}

/** Neither part can hold a slash. */
export function keyOfName(namespace: string | undefined, name: string): string {
  return `${namespace ?? ''}/${name}`;
}

function enter<T>(index: Index<T>, key: string, values: readonly string[], object: Readonly<T>): void {
  for (const value of values) {
    const objects = index.byValue.get(value);
    if (objects) objects.set(key, object);
    else index.byValue.set(value, new Map([[key, object]]));
  }
}

function leave<T>(index: Index<T>, key: string, object: Readonly<T>): void {
  for (const value of index.valuesOf(object)) {
    const objects = index.byValue.get(value);
    objects?.delete(key);
    if (objects?.size === 0) index.byValue.delete(value);
  }
}
