import assert from 'node:assert/strict';
import { it } from 'node:test';
import { silentLogger } from '../../../../lib/log.ts';
import { compactPeriodically } from '../../../../server/store/compact-periodically.ts';
import { createMemoryStore } from '../../../../server/store/memory-store.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

it('history is kept for the time promised and at most twice as long', async () => {
  const clock = new ManualClock();
  await using store = createMemoryStore({ clock });
  const stop = new AbortController();
  const running = compactPeriodically(store, {
    clock,
    log: silentLogger,
    signal: stop.signal,
    keepMs: 1_000,
  });
  const writtenAt = new Map<number, number>([[0, 0]]);
  for (let step = 0; step < 100; step++) {
    const revision = await store.txn([], [{ type: 'put', key: 'a', value: Buffer.alloc(1) }]);
    writtenAt.set(revision, clock.monotonic());
    await clock.advance(97);
    const oldestReadable = writtenAt.get(store.floor + 1) ?? clock.monotonic();
    const age = clock.monotonic() - oldestReadable;
    assert.ok(age <= 2_100, `history of ${age} ms is kept`);
    if (step > 30) assert.ok(age >= 900, `only ${age} ms of history are left`);
  }
  const { floor } = store;
  stop.abort();
  await running;
  await clock.advance(10_000);
  assert.equal(store.floor, floor, 'nothing is compacted once it was told to stop');
});

it('a burst of changes is not kept whole', async () => {
  const clock = new ManualClock();
  await using store = createMemoryStore({ clock });
  const stop = new AbortController();
  const options = { clock, log: silentLogger, signal: stop.signal, keepMs: 10_000, keepRevisionsMax: 20 };
  const running = compactPeriodically(store, options);
  for (let at = 0; at < 50; at++) await store.create(`k/${at}`, Buffer.alloc(1));
  await clock.advance(1_000);
  assert.equal(store.floor, 40);
  stop.abort();
  await running;
});
