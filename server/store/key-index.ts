/**
 * The newest version of every key, in UTF-8 byte order: leaves of a few hundred, found by binary search. Keeps
 * 300,000 keys at about 220 bytes each, chains included; a look-up compares some twenty strings, a count adds one
 * number per leaf.
 */
import type { Version } from './version.ts';

/** A leaf that outgrows this is halved; splicing so few pointers is cheaper than any tree below. */
const leafEntriesMax = 512;

interface Leaf {
  versions: Version[];
  /** How many of them are not deletions. */
  live: number;
}

interface Position {
  leaf: number;
  index: number;
}

export class KeyIndex {
  #leaves: Leaf[] = [{ versions: [], live: 0 }];
  #compare = compareUnits;

  get(key: string): Version | undefined {
    const at = this.#locate((other) => this.#compare(other, key) < 0);
    const version = this.#leaves[at.leaf]?.versions[at.index];
    return version?.key === key ? version : undefined;
  }

  /** Adds the version or puts it in the place of its key's older one. */
  set(version: Version): void {
    this.#admit(version.key);
    const at = this.#locate((other) => this.#compare(other, version.key) < 0);
    const leaf = this.#leafAt(at.leaf);
    const old = leaf.versions[at.index];
    const replaces = old?.key === version.key;
    leaf.versions.splice(at.index, replaces ? 1 : 0, version);
    leaf.live += alive(version) - (replaces && old ? alive(old) : 0);
    if (leaf.versions.length > leafEntriesMax) this.#split(at.leaf);
  }

  remove(key: string): void {
    const at = this.#locate((other) => this.#compare(other, key) < 0);
    const leaf = this.#leafAt(at.leaf);
    const version = leaf.versions[at.index];
    if (version?.key !== key) return;
    leaf.versions.splice(at.index, 1);
    leaf.live -= alive(version);
    if (leaf.versions.length === 0 && this.#leaves.length > 1) this.#leaves.splice(at.leaf, 1);
  }

  /** Calls `visit` with each version under `prefix` from `start` on, until it returns false. */
  walk(prefix: string, start: string, visit: (version: Version) => boolean): void {
    const from = this.#compare(start, prefix) > 0 ? start : prefix;
    let { leaf, index } = this.#locate((other) => this.#compare(other, from) < 0);
    for (; leaf < this.#leaves.length; leaf++, index = 0) {
      const { versions } = this.#leafAt(leaf);
      for (; index < versions.length; index++) {
        const version = versions[index];
        if (!version?.key.startsWith(prefix) || !visit(version)) return;
      }
    }
  }

  /** Keys under `prefix`: those that exist, and those remembered at all. */
  count(prefix: string): { live: number; all: number } {
    const first = this.#locate((other) => this.#compare(other, prefix) < 0);
    const end = this.#locate((other) => other.startsWith(prefix) || this.#compare(other, prefix) < 0);
    const before = this.#rankWithin(first);
    const upTo = this.#rankWithin(end);
    let live = upTo.live - before.live;
    let all = upTo.all - before.all;
    for (let leaf = first.leaf; leaf < end.leaf; leaf++) {
      live += this.#leafAt(leaf).live;
      all += this.#leafAt(leaf).versions.length;
    }
    return { live, all };
  }

  /** The first position whose key is not `before`, which must hold for a leading part of the keys only. */
  #locate(before: (key: string) => boolean): Position {
    const leaf = Math.max(partition(this.#leaves, ({ versions }) => before(versions[0]?.key ?? '')) - 1, 0);
    const { versions } = this.#leafAt(leaf);
    const index = partition(versions, ({ key }) => before(key));
    const inNext = index === versions.length && leaf + 1 < this.#leaves.length;
    return inNext ? { leaf: leaf + 1, index: 0 } : { leaf, index };
  }

  #rankWithin({ leaf, index }: Position): { live: number; all: number } {
    const { versions } = this.#leafAt(leaf);
    let live = 0;
    for (let at = 0; at < index; at++) live += versions[at]?.deleted ? 0 : 1;
    return { live, all: index };
  }

  #split(at: number): void {
    const leaf = this.#leafAt(at);
    // A leaf that grew at its end (keys in order, as at start) is cut there, so that such leaves stay full.
    const cut = at === this.#leaves.length - 1 ? leafEntriesMax : leafEntriesMax / 2;
    const right = leaf.versions.splice(cut);
    const live = right.reduce((sum, version) => sum + alive(version), 0);
    leaf.live -= live;
    this.#leaves.splice(at + 1, 0, { versions: right, live });
  }

  /** JavaScript orders strings by UTF-16 units, which is UTF-8 order as long as no unit reaches the surrogates. */
  #admit(key: string): void {
    if (this.#compare === compareUnits && /[\ud800-\uffff]/.test(key)) this.#compare = compareCodePoints;
  }

  #leafAt(index: number): Leaf {
    const leaf = this.#leaves[index];
    if (!leaf) throw new RangeError(`no leaf ${index}`);
    return leaf;
  }
}

function alive(version: Version): number {
  return version.deleted ? 0 : 1;
}

/** How many leading items `before` holds for. */
function partition<T>(items: readonly T[], before: (item: T) => boolean): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (before(items[middle] as T)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function compareUnits(left: string, right: string): number {
  if (left < right) return -1;
  return left === right ? 0 : 1;
}

function compareCodePoints(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  for (let at = 0; at < length; at++) {
    const difference = left.charCodeAt(at) - right.charCodeAt(at);
    if (difference !== 0) return surrogatesLast(left.charCodeAt(at)) - surrogatesLast(right.charCodeAt(at));
  }
  return left.length - right.length;
}

/** Surrogates stand for code points above U+FFFF, so they come after U+E000 to U+FFFF. */
function surrogatesLast(unit: number): number {
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit;
}
