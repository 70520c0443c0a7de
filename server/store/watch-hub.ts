/**
 * Hands committed changes to the watchers that want them. Watchers of one prefix form a group and share its batches;
 * the groups a key belongs to are found by binary search, so a commit costs its matches, not the number of watchers.
 */
import type { Clock, Timer } from '../../lib/clock.ts';
import { nextTurn } from '../../lib/next-turn.ts';
import type { StoreError } from './errors.ts';
import type { StoreLimits } from './limits.ts';
import { LiveWatch } from './live-watch.ts';
import type { WatchEvent } from './store.ts';
import type { Version } from './version.ts';

interface Group {
  readonly prefix: string;
  readonly watchers: Set<LiveWatch>;
  /** What the commit at hand has for this group. */
  events: WatchEvent[];
  bytes: number;
}

export interface WatchHubOptions {
  clock: Clock;
  limits: StoreLimits;
  /** Revision of the last commit that was published. */
  revision: () => number;
}

export class WatchHub {
  readonly #options: WatchHubOptions;
  /** Ordered by prefix. */
  readonly #groups: Group[] = [];
  /** Who has something to read and was not woken yet. */
  readonly #unaware = new Set<LiveWatch>();
  #waking = false;
  #bookmarkTimer: Timer | undefined;

  constructor(options: WatchHubOptions) {
    this.#options = options;
  }

  /** The new watcher gets every change under `prefix` that is published after this call. */
  join(prefix: string): LiveWatch {
    const watcher = new LiveWatch(this.#options.revision(), this.#options.limits);
    const at = this.#lastNotAfter(prefix);
    const group = this.#groups[at];
    if (group?.prefix === prefix) group.watchers.add(watcher);
    else this.#groups.splice(at + 1, 0, { prefix, watchers: new Set([watcher]), events: [], bytes: 0 });
    this.#bookmarkTimer ??= this.#bookmarkLater();
    return watcher;
  }

  leave(prefix: string, watcher: LiveWatch): void {
    const at = this.#lastNotAfter(prefix);
    const group = this.#groups[at];
    if (group?.prefix !== prefix || !group.watchers.delete(watcher)) return;
    if (group.watchers.size === 0) this.#groups.splice(at, 1);
    if (this.#groups.length > 0) return;
    this.#bookmarkTimer?.cancel();
    this.#bookmarkTimer = undefined;
  }

  /** `toEvent` is asked once for a change that anyone watches. */
  publish(versions: readonly Version[], revision: number, toEvent: (version: Version) => WatchEvent): void {
    if (this.#groups.length === 0) return;
    const touched = new Set<Group>();
    for (const version of versions) this.#collect(version, toEvent, touched);
    for (const group of touched) this.#flush(group, revision);
    if (!this.#waking) void this.#wakeInTurns();
  }

  /** Ends every watch, with an error if one is given. */
  endAll(error?: StoreError): void {
    this.#bookmarkTimer?.cancel();
    this.#bookmarkTimer = undefined;
    for (const { watchers } of this.#groups.splice(0)) for (const watcher of watchers) watcher.end(error);
  }

  #collect(version: Version, toEvent: (version: Version) => WatchEvent, touched: Set<Group>): void {
    let event: WatchEvent | undefined;
    for (const group of this.#matching(version.key)) {
      event ??= toEvent(version);
      group.events.push(event);
      group.bytes += (event.value?.byteLength ?? 0) + (event.previous?.value.byteLength ?? 0);
      touched.add(group);
    }
  }

  #flush(group: Group, revision: number): void {
    const batch = { revision, events: group.events };
    for (const watcher of group.watchers) {
      if (watcher.offer(batch, group.bytes)) this.#unaware.add(watcher);
      else this.leave(group.prefix, watcher);
    }
    group.events = [];
    group.bytes = 0;
  }

  /**
   * Prefixes of `key`, longest first. In sorted order every string between a prefix of the key and the key starts with
   * that prefix; so the greatest prefix that is not after the key either matches, or shares with the key all that a
   * shorter match can have.
   */
  #matching(key: string): Group[] {
    const found: Group[] = [];
    let candidate = key;
    for (;;) {
      const group = this.#groups[this.#lastNotAfter(candidate)];
      if (!group) return found;
      const shared = sharedLength(group.prefix, key);
      const matches = shared === group.prefix.length;
      if (matches) found.push(group);
      if (group.prefix === '') return found;
      candidate = key.slice(0, matches ? shared - 1 : shared);
    }
  }

  /** Index of the last group whose prefix does not sort after `prefix`; -1 when there is none. */
  #lastNotAfter(prefix: string): number {
    let low = 0;
    let high = this.#groups.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#groups[middle]?.prefix ?? '') <= prefix) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  #bookmarkLater(): Timer {
    const task = () => {
      this.#bookmarkTimer = this.#bookmarkLater();
      this.#bookmark();
    };
    return this.#options.clock.after(this.#options.limits.bookmarkIntervalMs, task, { unref: true });
  }

  #bookmark(): void {
    const bookmark = { revision: this.#options.revision(), events: [] };
    for (const { watchers } of this.#groups) {
      for (const watcher of watchers) {
        if (!watcher.idle || watcher.position >= bookmark.revision) continue;
        watcher.offer(bookmark, 0);
        this.#unaware.add(watcher);
      }
    }
    if (!this.#waking) void this.#wakeInTurns();
  }

  /** The first at once, all of them when nobody else wants the thread; what a reader missed meanwhile it reads in one go. */
  async #wakeInTurns(): Promise<void> {
    this.#waking = true;
    let left = this.#options.limits.watchersWokenPerTurn;
    for (const watcher of this.#unaware) {
      if (left === 0) {
        await nextTurn();
        left = this.#options.limits.watchersWokenPerTurn;
      }
      left -= 1;
      this.#unaware.delete(watcher);
      watcher.wake();
    }
    this.#waking = false;
  }
}

function sharedLength(prefix: string, key: string): number {
  if (key.startsWith(prefix)) return prefix.length;
  let length = 0;
  while (length < prefix.length && prefix.charCodeAt(length) === key.charCodeAt(length)) length++;
  return length;
}
