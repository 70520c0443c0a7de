import { StoreError } from './errors.ts';
import type { LevelHandle } from './level-handle.ts';
import { valueKey } from './level-keys.ts';
import type { Entry, WatchEvent } from './store.ts';
import type { ValueCache } from './value-cache.ts';
import type { Version } from './version.ts';

/** Values of versions, from memory where they are there, else in one read as of the moment of the call. */
export class LevelReader {
  readonly #handle: LevelHandle;
  readonly #cache: ValueCache;

  constructor(handle: LevelHandle, cache: ValueCache) {
    this.#handle = handle;
    this.#cache = cache;
  }

  /** For single reads, which are likely to be repeated. */
  async entry(version: Version): Promise<Entry> {
    const cached = this.#cache.get(version);
    if (cached) return { key: version.key, value: cached, revision: version.revision };
    const [value] = await this.#read([version]);
    const found = present(version, value);
    this.#cache.set(version, found);
    return { key: version.key, value: found, revision: version.revision };
  }

  async entries(versions: readonly Version[]): Promise<Entry[]> {
    const values = await this.values(versions);
    return versions.map((version) => ({
      key: version.key,
      value: present(version, values.get(version)),
      revision: version.revision,
    }));
  }

  /** Each value once, deletions left out. */
  async values(versions: readonly Version[]): Promise<Map<Version, Uint8Array>> {
    const values = new Map<Version, Uint8Array>();
    const missing = new Set<Version>();
    for (const version of versions) {
      if (version.deleted) continue;
      const cached = this.#cache.get(version);
      if (cached) values.set(version, cached);
      else missing.add(version);
    }
    if (missing.size === 0) return values;
    const wanted = [...missing];
    const read = await this.#read(wanted);
    for (const [at, version] of wanted.entries()) {
      const value = present(version, read[at]);
      values.set(version, value);
      this.#cache.setIfSpare(version, value);
    }
    return values;
  }

  async events(versions: readonly Version[]): Promise<WatchEvent[]> {
    const previous = versions.flatMap((version) => version.previous ?? []);
    // Taken before the disk answers: a compaction meanwhile cuts the chain, not what this reader saw.
    const pairs = versions.map((version) => ({ version, previous: version.previous }));
    const values = await this.values([...versions, ...previous]);
    return pairs.map((pair) => watchEvent(pair.version, pair.previous, (version) => values.get(version)));
  }

  #read(versions: readonly Version[]): Promise<(Uint8Array | undefined)[]> {
    return this.#handle.readMany(versions.map(valueKey));
  }
}

/** The change as its watchers see it. `valueOf` must know the value of both versions. */
export function watchEvent(
  version: Version,
  previous: Version | undefined,
  valueOf: (version: Version) => Uint8Array | undefined,
): WatchEvent {
  const { key, revision, deleted } = version;
  const before = previous && !previous.deleted ? previous : undefined;
  return {
    type: deleted ? 'delete' : 'put',
    key,
    revision,
    ...(deleted ? {} : { value: present(version, valueOf(version)) }),
    ...(before && {
      previous: { key, value: present(before, valueOf(before)), revision: before.revision },
    }),
  };
}

function present(version: Version, value: Uint8Array | undefined): Uint8Array {
  if (value) return value;
  throw new StoreError(
    'StorageFailed',
    `the value of ${version.key} at revision ${version.revision} is missing on disk`,
  );
}
