/** A full disk refuses writes, forgets nothing that was acknowledged, keeps nothing that was refused, and heals. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { StoreError } from '../../server/store/errors.ts';
import { openLevelStore } from '../../server/store/level-store.ts';
import type { Store } from '../../server/store/store.ts';

const diskMebibytes = 40;
const cycles = 6;
const writers = 4;

let mountPoint = '';
let whyNot: string | undefined;

before(() => {
  mountPoint = mkdtempSync(join(tmpdir(), 'flotilla-disk-full-'));
  const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${diskMebibytes}m`, 'tmpfs', mountPoint]);
  if (mount.status !== 0)
    whyNot = `needs a small disk, and mount says: ${String(mount.error ?? mount.stderr)}`;
});

after(() => {
  if (!whyNot) spawnSync('umount', ['--lazy', mountPoint]);
  rmSync(mountPoint, { recursive: true, force: true });
});

it('a full disk costs no acknowledged write and keeps no refused one', { timeout: 60_000 }, async (test) => {
  if (whyNot) return test.skip(whyNot);
  const directory = join(mountPoint, 'store');
  const openStore = () =>
    openLevelStore({
      directory,
      clock: systemClock,
      log: silentLogger,
      // Small, so that a failure hits the log in one cycle and the writing of a table in another.
      writeBufferBytes: 512 * 1024,
      recoveryIntervalMs: 5,
      valueCacheBytesMax: 0,
    });
  let store = await openStore();
  const acknowledged = new Set<string>();
  for (let cycle = 0; cycle < cycles; cycle++) {
    const refused = await fill(store, cycle, acknowledged);
    await checkContents(store, acknowledged);
    // Whoever tries again meanwhile is told at once, and reads go on.
    await assert.rejects(store.create(`again-${cycle}`, Buffer.alloc(10)), { code: 'StorageFailed' });
    await rm(join(mountPoint, 'ballast'));
    await untilWritable(store, `recovered-${cycle}`, acknowledged);
    await checkContents(store, acknowledged);
    for (const key of refused) assert.equal(await store.get(key), undefined, `${key} was refused`);
    if (cycle % 2 === 1) {
      await store[Symbol.asyncDispose]();
      store = await openStore();
      await checkContents(store, acknowledged);
    }
    await makeRoom(store, acknowledged);
  }
  await store[Symbol.asyncDispose]();
});

it('a small write that was refused does not come back with the room', { timeout: 60_000 }, async (test) => {
  if (whyNot) return test.skip(whyNot);
  const directory = join(mountPoint, 'small');
  const store = await openLevelStore({
    directory,
    clock: systemClock,
    log: silentLogger,
    recoveryIntervalMs: 0,
    writeBufferBytes: 1024 * 1024,
  });
  const acknowledged = new Set<string>();
  for (let cycle = 0; cycle < 12; cycle++) {
    await leaveFree(0);
    // Small enough that a part of the record still fits into the log.
    const refused: string[] = [];
    for (let at = 0; refused.length === 0; at++) {
      const key = `k/${cycle}/${at}`;
      const error = await put(store, key, acknowledged, 100 + cycle * 40);
      if (error) refused.push(key);
    }
    await rm(join(mountPoint, 'ballast'));
    await untilWritable(store, `recovered-${cycle}`, acknowledged);
    await checkContents(store, acknowledged);
    for (const key of refused) assert.equal(await store.get(key), undefined);
  }
  await store[Symbol.asyncDispose]();
  await using again = await openLevelStore({ directory, clock: systemClock, log: silentLogger });
  await checkContents(again, acknowledged);
});

it('a store that was killed by a full disk opens once there is room', { timeout: 60_000 }, async (test) => {
  if (whyNot) return test.skip(whyNot);
  const directory = join(mountPoint, 'second');
  const openStore = () => openLevelStore({ directory, clock: systemClock, log: silentLogger });
  const acknowledged = new Set<string>();
  const store = await openStore();
  await fill(store, 0, acknowledged);
  const { epoch } = store;
  await store[Symbol.asyncDispose]();
  await rm(join(mountPoint, 'ballast'));
  const again = await openStore();
  assert.equal(again.epoch, epoch);
  for (const key of acknowledged) {
    const entry = await again.get(key);
    assert.equal(entry && marked(entry.value), key);
  }
  await again[Symbol.asyncDispose]();
});

/** Leaves a little room and writes until that is gone. Returns the keys whose writes were refused. */
async function fill(store: Store, cycle: number, acknowledged: Set<string>): Promise<string[]> {
  await leaveFree(1 + (cycle % 3) * 2);
  const refused: string[] = [];
  const write = async (writer: number) => {
    for (let at = 0; ; at++) {
      const key = `k/${cycle}/${writer}/${at}`;
      const error = await put(store, key, acknowledged);
      if (!error) continue;
      assert.equal(error.code, 'StorageFailed');
      refused.push(key);
      return;
    }
  };
  await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
  assert.equal(refused.length, writers);
  return refused;
}

async function put(
  store: Store,
  key: string,
  acknowledged: Set<string>,
  valueBytes = 20_000,
): Promise<StoreError | undefined> {
  const value = Buffer.alloc(valueBytes);
  // Not compressible, or tables would be smaller than the log.
  for (let at = 0; at < value.length; at += 4) value.writeUInt32LE((Math.random() * 2 ** 32) >>> 0, at);
  value.write(key.padEnd(20));
  try {
    await store.create(key, value);
    acknowledged.add(key);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof StoreError);
    return error;
  }
}

/** The key that a value was written for. */
function marked(value: Uint8Array): string {
  return Buffer.from(value).subarray(0, 20).toString().trim();
}

/** Fills the disk up to `mebibytes` with another file. */
async function leaveFree(mebibytes: number): Promise<void> {
  const chunk = Buffer.alloc(256 * 1024, 1);
  const file = await open(join(mountPoint, 'ballast'), 'w');
  let size = 0;
  try {
    for (;;) {
      await file.appendFile(chunk);
      size += chunk.length;
    }
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
  }
  await file.truncate(Math.max(size - mebibytes * 1024 * 1024, 0));
  await file.close();
}

async function untilWritable(store: Store, key: string, acknowledged: Set<string>): Promise<void> {
  for (;;) {
    const error = await put(store, key, acknowledged);
    if (!error) return;
    assert.equal(error.code, 'StorageFailed');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Everything acknowledged, nothing else, at revisions without a hole. */
async function checkContents(store: Store, acknowledged: Set<string>): Promise<void> {
  const { entries } = await store.list('');
  for (const { key, value } of entries) assert.equal(marked(value), key);
  assert.deepEqual(new Set(entries.map(({ key }) => key)), acknowledged);
  assert.equal(await store.count(''), acknowledged.size);
  const { revision } = store;
  const watch = store.watch('', store.floor, new AbortController());
  let last = store.floor;
  if (last === revision) return;
  for await (const batch of watch) {
    for (const event of batch.events) assert.equal(event.revision, ++last);
    if (batch.revision === revision) break;
  }
  assert.equal(last, revision);
}

/** Deletes what the cycle wrote, so that the next one finds a disk with room. */
async function makeRoom(store: Store, acknowledged: Set<string>): Promise<void> {
  await Promise.all([...acknowledged].map((key) => store.delete(key)));
  acknowledged.clear();
  await store.compact(store.revision);
}
