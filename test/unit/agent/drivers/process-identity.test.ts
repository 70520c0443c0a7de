import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  currentBootId,
  isAlive,
  parseProcessStat,
  readProcessStat,
} from '../../../../agent/drivers/process-identity.ts';

test('a program that calls itself "x) R 1 2" does not disturb the reading of its numbers', () => {
  const rest = '77 76 75 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1000 200';
  assert.deepEqual(parseProcessStat(`42 (x) R 1 2) S ${rest}`), {
    pid: 42,
    parentPid: 77,
    group: 76,
    session: 75,
    startTicks: 98_765,
    zombie: false,
  });
  assert.equal(parseProcessStat(`42 (x) Z ${rest}`)?.zombie, true);
  assert.equal(parseProcessStat(''), undefined);
});

test('a process with the same number is another one when its start or the boot differs', () => {
  const bootId = currentBootId();
  const { startTicks } = readProcessStat(process.pid) ?? assert.fail('this process has no stat');
  const identity = { pid: process.pid, startTicks, bootId };
  assert.equal(isAlive(identity, bootId), true);
  assert.equal(isAlive({ ...identity, startTicks: startTicks - 1 }, bootId), false);
  assert.equal(isAlive({ ...identity, bootId: 'an earlier boot' }, bootId), false);
  assert.equal(isAlive(identity, 'a later boot'), false);
});
