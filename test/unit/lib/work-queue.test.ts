import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WorkQueue } from '../../../lib/work-queue.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';

const backoff = { baseMs: 100, capMs: 1000 };

test('a key queued many times is worked once', async () => {
  const worked: string[] = [];
  const queue = new WorkQueue({
    clock: new ManualClock(),
    workers: 1,
    backoff,
    work: async (key) => void worked.push(key),
  });
  for (const key of ['first', 'a', 'b', 'a', 'b', 'b']) queue.add(key);
  await queue.idle();
  assert.deepEqual(worked, ['first', 'a', 'b']);
});

test('a key is never worked by two workers at a time, and runs again when added meanwhile', async () => {
  const gates: (() => void)[] = [];
  let running = 0;
  let most = 0;
  const queue = new WorkQueue({
    clock: new ManualClock(),
    workers: 4,
    backoff,
    work: async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise<void>((resolve) => gates.push(resolve));
      running -= 1;
    },
  });
  queue.add('a');
  queue.add('a');
  await settle();
  assert.equal(gates.length, 1);
  gates[0]?.();
  await settle();
  assert.equal(gates.length, 2, 'the second add runs after the first has ended');
  gates[1]?.();
  await queue.idle();
  assert.equal(most, 1);
});

test('a failing key backs off, doubling, and success forgets the failures', async () => {
  const clock = new ManualClock();
  const times: number[] = [];
  const queue = new WorkQueue({
    clock,
    workers: 1,
    backoff,
    work: async () => {
      times.push(clock.monotonic());
      if (times.length < 4) throw new Error('not yet');
    },
  });
  queue.add('a');
  await clock.advance(2000);
  assert.deepEqual(times, [0, 100, 300, 700]);
});

test('the earlier of two delays wins', async () => {
  const clock = new ManualClock();
  const times: number[] = [];
  const queue = new WorkQueue({
    clock,
    workers: 1,
    backoff,
    work: async () => void times.push(clock.monotonic()),
  });
  queue.addAfter('a', 500);
  queue.addAfter('a', 50);
  queue.addAfter('a', 200);
  await clock.advance(1000);
  assert.deepEqual(times, [50]);
});

test('a stopped queue waits for the running key and takes no other', async () => {
  const worked: string[] = [];
  let aborted = false;
  const queue = new WorkQueue({
    clock: new ManualClock(),
    workers: 1,
    backoff,
    work: async (key, signal) => {
      await settle();
      aborted = signal.aborted;
      worked.push(key);
    },
  });
  queue.add('a');
  queue.add('b');
  await queue.stop();
  queue.add('c');
  assert.deepEqual(worked, ['a']);
  assert.equal(aborted, true);
});
