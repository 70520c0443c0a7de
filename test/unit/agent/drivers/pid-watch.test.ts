import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPidWatch } from '../../../../agent/drivers/pid-watch.ts';
import { spawnDetached } from '../../../../lib/exec.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

/** Above any pid that a kernel gives. */
const nobody = 2 ** 30;

function watch() {
  const clock = new ManualClock();
  const gone: string[] = [];
  const pids = createPidWatch({
    clock,
    intervalMs: 500,
    unseenIntervalMs: 10_000,
    onGone: (key) => gone.push(key),
  });
  return { clock, gone, pids };
}

test('the end of a process that is not our child is told once; nothing ticks while nothing is watched', async () => {
  const { clock, gone, pids } = watch();
  assert.equal(clock.nextDelay, undefined);
  const child = await spawnDetached('sleep', ['60']);
  pids.add('one', child.pid);
  await clock.advance(2_000);
  assert.deepEqual(gone, []);
  process.kill(child.pid, 'SIGKILL');
  await child.exit;
  await clock.advance(5_000);
  assert.deepEqual(gone, ['one']);
  assert.equal(clock.nextDelay, undefined);
});

test('a process that is gone when it is added is told at the next look', async () => {
  const { clock, gone, pids } = watch();
  pids.add('one', nobody);
  await clock.advance(500);
  assert.deepEqual(gone, ['one']);
});

test('a process that can never be seen is asked about seldom', async () => {
  const { clock, gone, pids } = watch();
  pids.add('one', nobody);
  await clock.advance(500);
  pids.add('one', nobody);
  await clock.advance(9_000);
  assert.equal(gone.length, 1);
  await clock.advance(1_500);
  assert.equal(gone.length, 2);
});

test('a container whose process is not known yet is asked about at the next look', async () => {
  const { clock, gone, pids } = watch();
  pids.add('one', undefined);
  await clock.advance(500);
  assert.deepEqual(gone, ['one']);
});

test('what was taken from the watch is not told', async () => {
  const { clock, gone, pids } = watch();
  pids.add('one', nobody);
  pids.delete('one');
  await clock.advance(5_000);
  assert.deepEqual(gone, []);
});
