import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { openJournal } from '../../../../agent/desired/journal.ts';
import { tryAgainMs, watchJournal } from '../../../../agent/desired/watched-journal.ts';
import { silentLogger } from '../../../../lib/log.ts';
import { MemoryDisk } from '../../../sim/memory-disk.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const big = [{ key: 'a', value: 'x'.repeat(5_000) }];

async function watched() {
  const disk = new MemoryDisk();
  const clock = new ManualClock();
  const inner = await openJournal({ path: '/journal', log: silentLogger, disk });
  const journal = watchJournal(inner, { clock, log: silentLogger });
  const turns: (string | undefined)[] = [];
  journal.onTurn(() => turns.push(journal.problem?.code));
  return { disk, clock, journal, turns };
}

suite('a journal on a disk that fails', () => {
  test('tells once that the disk is full, and once that there is room, without being asked', async () => {
    const { disk, clock, journal, turns } = await watched();
    disk.capacityBytes = disk.usedBytes;
    for (let n = 0; n < 3; n++) await assert.rejects(journal.write(big), { code: 'DiskFull' });
    await clock.advance(10 * tryAgainMs);
    assert.deepEqual(turns, ['DiskFull']);
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    await clock.advance(tryAgainMs);
    assert.deepEqual(turns, ['DiskFull', undefined]);
    await journal.write(big);
    assert.deepEqual([...journal.entries.keys()], ['a'], 'what was tried is not kept');
  });

  test('says so when the disk refuses writes for another reason', async () => {
    const { disk, clock, journal, turns } = await watched();
    disk.syncError = Object.assign(new Error('EIO'), { code: 'EIO' });
    await assert.rejects(journal.write(big), { code: 'WriteFailed' });
    disk.syncError = undefined;
    await clock.advance(tryAgainMs);
    assert.deepEqual(turns, ['WriteFailed', undefined]);
  });

  test('a write that was too large says nothing of the disk', async () => {
    const { journal, turns } = await watched();
    const large = [{ key: 'a', value: 'x'.repeat(33 * 1024 * 1024) }];
    await assert.rejects(journal.write(large), { code: 'TooLarge' });
    assert.deepEqual(turns, []);
    assert.equal(journal.problem, undefined);
  });
});
