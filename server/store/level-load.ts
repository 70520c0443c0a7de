/** Reads what a directory holds into a `History`, and marks a fresh one as ours. */
import { type Random, uuid } from '../../lib/random.ts';
import { StoreError } from './errors.ts';
import type { History } from './history.ts';
import type { DiskOperation, LevelHandle } from './level-handle.ts';
import { decodeVersion, formatVersion, metaKeys, recordKeys, versionRange } from './level-keys.ts';
import type { Version } from './version.ts';

export interface Loaded {
  epoch: string;
  /** Records that a compaction had no time to delete. */
  garbage: string[];
}

/** Fails with `StorageFailed` when the directory holds something else, or was written by another format. */
export async function loadHistory(handle: LevelHandle, history: History, random: Random): Promise<Loaded> {
  const { epoch, floor } = await readMeta(handle, random);
  const newest: Version[] = [];
  const garbage: string[] = [];
  let chain: Version | undefined;
  let revision = floor;
  const finishChain = () => {
    const kept = chain && cutBelowFloor(chain, floor, garbage);
    if (kept) newest.push(kept);
  };
  await handle.scan(versionRange, (key, mark) => {
    const version: Version = { ...decodeVersion(key, mark), previous: undefined };
    if (version.revision > revision) revision = version.revision;
    if (chain?.key === version.key) version.previous = chain;
    else finishChain();
    chain = version;
  });
  finishChain();
  history.load(newest, { revision, floor });
  return { epoch, garbage };
}

/** The chain as far as it can be read at `floor` or later; the records of the rest go to `garbage`. */
function cutBelowFloor(newest: Version, floor: number, garbage: string[]): Version | undefined {
  let above: Version | undefined;
  let base: Version | undefined = newest;
  while (base && base.revision > floor) {
    above = base;
    base = base.previous;
  }
  const kept = base && !base.deleted ? base : undefined;
  for (let old = kept ? kept.previous : base; old; old = old.previous) garbage.push(...recordKeys(old));
  if (kept) kept.previous = undefined;
  if (!above) return kept;
  above.previous = kept;
  return newest;
}

async function readMeta(handle: LevelHandle, random: Random): Promise<{ epoch: string; floor: number }> {
  const keys = [metaKeys.format, metaKeys.epoch, metaKeys.floor];
  const [format, epoch, floor] = (await handle.readMany(keys)).map((value) => value && text(value));
  if (format === undefined) return createMeta(handle, random);
  if (format !== formatVersion) {
    throw new StoreError(
      'StorageFailed',
      `the data directory has format ${format}, this program reads format ${formatVersion}: ` +
        'use the version of the program that wrote it, or another directory',
    );
  }
  if (!epoch || floor === undefined || !Number.isSafeInteger(Number(floor))) {
    throw new StoreError('StorageFailed', 'the data directory is damaged: its epoch or floor is missing');
  }
  return { epoch, floor: Number(floor) };
}

async function createMeta(handle: LevelHandle, random: Random): Promise<{ epoch: string; floor: number }> {
  let foreign: string | undefined;
  await handle.scan({ gte: '', lt: '\u{10ffff}' }, (key) => {
    foreign ??= key;
  });
  if (foreign !== undefined) {
    throw new StoreError(
      'StorageFailed',
      `the data directory holds a database of another program (it has a key ${JSON.stringify(foreign)})`,
    );
  }
  const epoch = uuid(random);
  const put = (key: string, value: string): DiskOperation => ({
    type: 'put',
    key,
    value: Buffer.from(value),
  });
  await handle.write(
    [put(metaKeys.format, formatVersion), put(metaKeys.epoch, epoch), put(metaKeys.floor, '0')],
    { sync: true },
  );
  return { epoch, floor: 0 };
}

function text(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8');
}
