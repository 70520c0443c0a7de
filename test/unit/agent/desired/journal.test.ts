import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { type Journal, JournalError, openJournal } from '../../../../agent/desired/journal.ts';
import { silentLogger } from '../../../../lib/log.ts';
import { seededRandom } from '../../../../lib/random.ts';
import { MemoryDisk } from '../../../sim/memory-disk.ts';

const path = '/data/journal';
const open = (disk: MemoryDisk) => openJournal({ path, log: silentLogger, disk });
const contents = (journal: Journal) => Object.fromEntries(journal.entries);
const put = (key: string, value: unknown) => ({ key, value });

/** States after each write, beginning with the empty one. */
async function writeHistory(disk: MemoryDisk, count: number): Promise<Record<string, unknown>[]> {
  const journal = await open(disk);
  const states: Record<string, unknown>[] = [{}];
  for (let step = 1; step <= count; step++) {
    const gone = step % 4 === 0 ? [put(`k${step % 3}`, undefined)] : [];
    await journal.write([put(`k${step % 5}`, { step, text: 'x'.repeat(step) }), put('last', step), ...gone]);
    states.push(contents(journal));
  }
  return states;
}

test('what was written is there after reopening, removals included', async () => {
  const disk = new MemoryDisk();
  const states = await writeHistory(disk, 9);
  const journal = await open(disk);
  assert.deepEqual(contents(journal), states.at(-1));
  assert.equal(journal.damaged, false);
});

test('a write that comes at any moment of the one before ends', async () => {
  const journal = await open(new MemoryDisk());
  for (let turns = 0; turns < 12; turns++) {
    const first = journal.write([put('first', turns)]);
    const later = first.then(async () => {
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      await journal.write([put('second', turns)]);
    });
    const ended = await Promise.race([later.then(() => true), nextTurns()]);
    assert.ok(ended, `a write ${turns} turns after the one before was forgotten`);
  }
});

async function nextTurns(): Promise<false> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  return false;
}

test('a file cut at any byte opens with a state that was once whole', async () => {
  const disk = new MemoryDisk();
  const states = await writeHistory(disk, 12);
  const bytes = Buffer.from((await disk.read(path)) ?? []);
  let reached = 0;
  for (let length = 0; length <= bytes.length; length++) {
    const cut = new MemoryDisk();
    await cut.replace(path, bytes.subarray(0, length));
    const journal = await open(cut);
    const found = states.findIndex((state) => state.last === journal.entries.get('last'));
    assert.deepEqual(contents(journal), states[found]);
    assert.ok(found >= reached, `cut at ${length} goes back`);
    assert.equal(journal.damaged, false);
    reached = found;
    await journal.write([put('later', true)]);
    assert.deepEqual(contents(await open(cut)), { ...states[found], later: true });
  }
  assert.equal(reached, 12);
});

test('a flipped bit is never believed, and damage before the end is told', async () => {
  const disk = new MemoryDisk();
  const states = await writeHistory(disk, 12);
  const bytes = Buffer.from((await disk.read(path)) ?? []);
  await fc.assert(
    fc.asyncProperty(fc.nat(bytes.length - 1), fc.nat(7), async (at, bit) => {
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << bit);
      const broken = new MemoryDisk();
      await broken.replace(path, flipped);
      const journal = await open(broken);
      const found = states.findIndex((state) => state.last === journal.entries.get('last'));
      assert.deepEqual(contents(journal), states[found]);
      assert.ok(found < 12);
      if (found < 11) assert.equal(journal.damaged, true);
    }),
    { numRuns: 300, seed: 7 },
  );
});

test('after a power cut everything acknowledged is there, and what was not is there whole or not at all', async () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = seededRandom(seed);
    let disk = new MemoryDisk();
    let acknowledged = 0;
    for (let life = 0; life < 4; life++) {
      const journal = await open(disk);
      const last = Number(journal.entries.get('n') ?? 0);
      assert.ok(last >= acknowledged, `seed ${seed}: lost ${acknowledged}, has ${last}`);
      assert.equal(journal.entries.get('copy') ?? 0, last);
      acknowledged = last;
      for (let step = 1; step <= 20; step++) {
        const value = last + step;
        const padding = put('padding', 'p'.repeat(Math.floor(random.fraction() * 9000)));
        const written = journal.write([put('n', value), padding, put('copy', value)]);
        if (random.fraction() < 0.1) {
          for (let turn = random.fraction() * 6; turn > 0; turn--) await Promise.resolve();
          break;
        }
        await written;
        acknowledged = value;
      }
      disk = disk.crash(random);
    }
  }
});

test('writes in flight share one fsync', async () => {
  const disk = new MemoryDisk();
  const journal = await open(disk);
  const before = disk.syncs;
  await Promise.all(Array.from({ length: 50 }, (_, n) => journal.write([put(`k${n}`, n)])));
  assert.equal(journal.entries.size, 50);
  assert.ok(disk.syncs - before <= 2, `${disk.syncs - before} syncs`);
});

test('a full disk rejects the write, keeps what there was, and is forgotten when there is room again', async () => {
  const disk = new MemoryDisk();
  const journal = await open(disk);
  await journal.write([put('a', 1)]);
  disk.capacityBytes = disk.usedBytes + 300;
  const full = journal.write([put('a', 2), put('b', 'x'.repeat(1000))]);
  await assert.rejects(full, (error) => error instanceof JournalError && error.code === 'DiskFull');
  assert.deepEqual(contents(journal), { a: 1 });
  await journal.write([put('c', 3)]);
  disk.capacityBytes = Number.POSITIVE_INFINITY;
  await journal.write([put('b', 'y'.repeat(1000))]);
  const expected = { a: 1, c: 3, b: 'y'.repeat(1000) };
  assert.deepEqual(contents(journal), expected);
  assert.deepEqual(contents(await open(disk)), expected);
});

test('room that was taken in time lets small writes go on while the disk is full', async () => {
  const disk = new MemoryDisk();
  const reserveBytes = 64 * 1024;
  const reopen = () => openJournal({ path, log: silentLogger, disk, reserveBytes });
  const journal = await reopen();
  await journal.write([put('a', 1)]);
  disk.capacityBytes = disk.usedBytes;
  await assert.rejects(journal.write([put('large', 'x'.repeat(100_000))]), { code: 'DiskFull' });
  for (let n = 0; n < 100; n++) await journal.write([put(`k${n}`, 'y'.repeat(300))]);
  assert.equal(journal.entries.size, 101);
  const again = await reopen();
  assert.equal(again.damaged, false);
  assert.deepEqual(contents(again), contents(journal));
  await assert.rejects(again.write([put('large', 'x'.repeat(100_000))]), { code: 'DiskFull' });
  await again.write([put('a', 2)]);
  disk.capacityBytes = Number.POSITIVE_INFINITY;
  await again.write([put('large', 'x'.repeat(100_000))]);
  assert.deepEqual(contents(await reopen()), contents(again));
});

test('what is acknowledged outlives power cuts also in room that was taken before', async () => {
  for (let seed = 1; seed <= 100; seed++) {
    const random = seededRandom(seed);
    let disk = new MemoryDisk();
    let acknowledged = 0;
    for (let life = 0; life < 4; life++) {
      const journal = await openJournal({ path, log: silentLogger, disk, reserveBytes: 4096 });
      const last = Number(journal.entries.get('n') ?? 0);
      assert.ok(last >= acknowledged, `seed ${seed}: lost ${acknowledged}, has ${last}`);
      assert.equal(journal.damaged, false);
      for (let step = 1; step <= 10; step++) {
        const full = random.fraction() < 0.2;
        disk.capacityBytes = full ? disk.usedBytes : Number.POSITIVE_INFINITY;
        const padding = put('padding', 'p'.repeat(Math.floor(random.fraction() * 3000)));
        const stored = await journal.write([put('n', last + step), padding]).then(
          () => true,
          () => false,
        );
        if (stored) acknowledged = last + step;
      }
      disk = disk.crash(random);
    }
  }
});

test('a rejected write does not come back, even when its bytes reached the disk', async () => {
  const disk = new MemoryDisk();
  const journal = await open(disk);
  await journal.write([put('a', 1)]);
  disk.syncError = Object.assign(new Error('EIO'), { code: 'EIO' });
  const batch = [journal.write([put('a', 2)]), journal.write([put('b', 2)]), journal.write([put('c', 2)])];
  for (const result of await Promise.allSettled(batch)) assert.equal(result.status, 'rejected');
  disk.syncError = undefined;
  await journal.write([put('a', 3)]);
  assert.deepEqual(contents(await open(disk)), { a: 3 });
});

test('the file is rewritten when it is mostly garbage, and only then', async () => {
  const disk = new MemoryDisk();
  const journal = await open(disk);
  const live = 'x'.repeat(20_000);
  await journal.write([put('live', live)]);
  for (let n = 0; n < 300; n++) await journal.write([put('status', `${n}`.padEnd(1000))]);
  const size = (await disk.read(path))?.length ?? 0;
  assert.ok(size < 150_000, `${size} bytes`);
  assert.ok(
    journal.bytesWritten > 300_000 && journal.bytesWritten < 500_000,
    `${journal.bytesWritten} written`,
  );
  assert.deepEqual(contents(await open(disk)), { live, status: '299'.padEnd(1000) });
});

test('a disk too full to rewrite the file still takes writes', async () => {
  const disk = new MemoryDisk();
  const journal = await open(disk);
  disk.capacityBytes = 200_000;
  await journal.write([put('live', 'x'.repeat(60_000))]);
  for (let n = 0; n < 130; n++) await journal.write([put('status', `${n}`.padEnd(1000))]);
  disk.capacityBytes = Number.POSITIVE_INFINITY;
  for (let n = 0; n < 200; n++) await journal.write([put('status', `${n}`.padEnd(1000))]);
  assert.ok(disk.usedBytes < 300_000, `${disk.usedBytes} bytes`);
  assert.equal((await open(disk)).entries.size, 2);
});

test('on a real disk: folder made, readable only by its owner, no temporary file left', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'journal-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'state', 'desired');
  {
    await using journal = await openJournal({ path: file, log: silentLogger });
    for (let n = 0; n < 30; n++) await journal.write([put('a', 'x'.repeat(10_000)), put('n', n)]);
    await assert.rejects(journal.write([put('big', 'x'.repeat(33 * 1024 * 1024))]), { code: 'TooLarge' });
  }
  await using again = await openJournal({ path: file, log: silentLogger });
  assert.equal(again.entries.get('n'), 29);
  assert.deepEqual(await readdir(join(folder, 'state')), ['desired']);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.ok((await stat(file)).size < 150_000);
  await again[Symbol.asyncDispose]();
  await assert.rejects(again.write([put('a', 1)]), { code: 'Closed' });
});
