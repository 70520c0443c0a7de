/** What only the driver on disk promises: its format, and what it leaves on disk. */
import assert from 'node:assert/strict';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ClassicLevel } from 'classic-level';
import { silentLogger } from '../../../../lib/log.ts';
import { openLevelStore } from '../../../../server/store/level-store.ts';
import type { LevelLimits } from '../../../../server/store/limits.ts';
import type { Operation } from '../../../../server/store/store.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const value = (text: string) => Buffer.from(text);

describe('a data directory of the store', () => {
  it('keeps its epoch; another has another', async () => {
    await using one = await directory();
    await using other = await directory();
    const epochs: string[] = [];
    for (const open of [one.open, one.open, other.open]) {
      await using store = await open();
      epochs.push(store.epoch);
    }
    assert.equal(epochs[0], epochs[1]);
    assert.notEqual(epochs[0], epochs[2]);
  });

  it('of an unknown format is refused, and left as it is', async () => {
    await using folder = await directory();
    await (await folder.open())[Symbol.asyncDispose]();
    await folder.edit((database) => database.put('m/format', '2'));
    await assert.rejects(folder.open(), {
      code: 'StorageFailed',
      message: /has format 2, this program reads format 1/,
    });
    assert.equal((await folder.records()).get('m/format'), '2');
  });

  it('of another program is refused', async () => {
    await using folder = await directory();
    await folder.edit((database) => database.put('hello', 'world'));
    await assert.rejects(folder.open(), { code: 'StorageFailed', message: /of another program .*"hello"/ });
  });

  it('that a crash left half made is made again', async () => {
    await using folder = await directory();
    await folder.edit(async () => {});
    await using store = await folder.open();
    assert.equal(await store.create('a', value('a')), 1);
  });

  it('holds every value once', async () => {
    await using folder = await directory();
    const store = await folder.open();
    await store.create('a', value('first'));
    await store.update('a', value('second'), 1);
    await store[Symbol.asyncDispose]();
    const records = await folder.records();
    const values = [...records.values()].filter((text) => text === 'first' || text === 'second');
    assert.deepEqual(values.sort(), ['first', 'second']);
  });

  it('holds after a compaction only what can still be read', async () => {
    await using folder = await directory();
    const store = await folder.open({ compactionStepVersions: 3 });
    for (let round = 0; round < 10; round++) await store.txn([], [put('a', round), put('b', round)]);
    await store.delete('a');
    await store.txn([], [put('b', 10)]);
    await store.compact(11);
    await store[Symbol.asyncDispose]();
    const kept = [...(await folder.records()).keys()].filter((key) => !key.startsWith('m/'));
    const digits = (revision: number) => revision.toString(36).padStart(11, '0');
    assert.deepEqual(kept, [
      `r/${digits(10)}/1`,
      `r/${digits(12)}`,
      `v/b\0${digits(10)}`,
      `v/b\0${digits(12)}`,
    ]);
  });

  it('is swept of what an interrupted compaction left', async () => {
    await using folder = await directory();
    const store = await folder.open();
    for (let round = 0; round < 10; round++) await store.txn([], [put('a', round), put('b', round)]);
    await store.delete('a');
    await store[Symbol.asyncDispose]();
    const before = (await folder.records()).size;
    // The floor is written first; then the process died.
    await folder.edit((database) => database.put('m/floor', '11'));
    const again = await folder.open();
    assert.equal(again.floor, 11);
    assert.equal(await again.get('a'), undefined);
    assert.equal((await again.list('')).entries.length, 1);
    await again.compact(11);
    await again[Symbol.asyncDispose]();
    assert.equal(before, 3 + 20 * 2 + 1);
    assert.equal((await folder.records()).size, 3 + 2);
    await using once = await folder.open();
    assert.equal(once.revision, 11);
  });

  it('a queue that the disk does not empty refuses writers', async () => {
    await using folder = await directory();
    await using store = await folder.open({ queueBytesMax: 100, batchTxnsMax: 1 });
    const writes = Array.from({ length: 5 }, (_, at) => store.create(`k${at}`, value('x'.repeat(30))));
    const results = await Promise.allSettled(writes);
    const codes = results.map((result) => (result.status === 'fulfilled' ? 'ok' : result.reason.code));
    assert.deepEqual(codes, ['ok', 'ok', 'ok', 'StorageFailed', 'StorageFailed']);
    assert.equal(await store.create('later', value('x')), 4);
  });
});

const put = (key: string, round: number): Operation => ({ type: 'put', key, value: value(`${key}${round}`) });

async function directory() {
  const folder = await mkdtempDisposable(join(tmpdir(), 'flotilla-level-'));
  const path = join(folder.path, 'store');
  const edit = async <T>(change: (database: ClassicLevel) => Promise<T>): Promise<T> => {
    const database = new ClassicLevel(path);
    await database.open();
    try {
      return await change(database);
    } finally {
      await database.close();
    }
  };
  return {
    open: (limits: Partial<LevelLimits> = {}) =>
      openLevelStore({ directory: path, clock: new ManualClock(), log: silentLogger, ...limits }),
    edit,
    records: () => edit(async (database) => new Map(await database.iterator().all())),
    [Symbol.asyncDispose]: () => folder.remove(),
  };
}
