import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forEachLimited } from '../../../lib/for-each-limited.ts';

test('never more than the limit are worked side by side, and all are worked', async () => {
  let [running, most] = [0, 0];
  const worked: number[] = [];
  await forEachLimited([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
    running += 1;
    most = Math.max(most, running);
    await Promise.resolve();
    worked.push(item);
    running -= 1;
  });
  assert.equal(most, 3);
  assert.deepEqual(worked, [1, 2, 3, 4, 5, 6, 7]);
});

test('a failure keeps nobody from the work, and is told at the end', async () => {
  const worked: number[] = [];
  const work = async (item: number) => {
    if (item === 2) throw new Error('two');
    worked.push(item);
  };
  await assert.rejects(forEachLimited([1, 2, 3], 1, work), /two/);
  assert.deepEqual(worked, [1, 3]);
});
