import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Leadership, Store } from '../../../server/store/store.ts';
import { bytes, type StoreDriver } from './drivers.ts';

const ttlMs = 15_000;

export function leadershipRules(driver: StoreDriver): void {
  describe(`${driver.name}: leadership`, () => {
    it('one leads, the next takes over as soon as it resigns, with a higher fence', async () => {
      await using opened = await driver.open();
      const { store } = opened;
      const resign = new AbortController();
      const first = await store.lead('x', { ttlMs, signal: resign.signal });
      const second = candidate(store);
      await settle(store);
      assert.equal(second.leads(), false);
      resign.abort();
      assert.equal(first.signal.aborted, true);
      const { fence } = await second.promise;
      assert.ok(fence > first.fence);
    });

    it('different names have different leaders', async () => {
      await using opened = await driver.open();
      const { signal } = new AbortController();
      const [x, y] = await Promise.all(['x', 'y'].map((name) => opened.store.lead(name, { ttlMs, signal })));
      assert.notEqual(x?.guard.key, y?.guard.key);
    });

    it("a leader's guard holds as long as it leads and never again", async () => {
      await using opened = await driver.open();
      const { store, clock } = opened;
      const resign = new AbortController();
      const first = await store.lead('x', { ttlMs, signal: resign.signal });
      await act(store, first);
      for (let renewals = 0; renewals < 12; renewals++) {
        await clock.advance(ttlMs / 3);
        await settle(store);
      }
      assert.equal(first.signal.aborted, false, 'a leader that renews stays');
      await act(store, first);
      resign.abort();
      await settle(store);
      await assert.rejects(act(store, first), { code: 'RevisionMismatch' });
      const second = await candidate(store).promise;
      await act(store, second);
      await assert.rejects(act(store, first), { code: 'RevisionMismatch' });
    });

    it('a leader that slept through its lease is deposed', async () => {
      await using opened = await driver.open();
      const { store, clock } = opened;
      const { signal } = new AbortController();
      const first = await store.lead('x', { ttlMs, signal });
      const second = candidate(store);
      await settle(store);
      await clock.jump(ttlMs + 1);
      const { fence } = await second.promise;
      assert.ok(first.signal.aborted);
      assert.ok(fence > first.fence);
      await assert.rejects(act(store, first), { code: 'RevisionMismatch' });
    });

    it('a leader whose lease was taken away learns it at its next renewal', async () => {
      await using opened = await driver.open();
      const { store, clock } = opened;
      const { signal } = new AbortController();
      const { guard, signal: lost } = await store.lead('x', { ttlMs, signal });
      await store.delete(guard.key);
      const aborted = new Promise((resolve) => lost.addEventListener('abort', resolve, { once: true }));
      await clock.advance(ttlMs / 2);
      await aborted;
    });

    it('candidates lead in the order they came; one that gives up is passed over', async () => {
      await using opened = await driver.open();
      const { store } = opened;
      const stops = Array.from({ length: 4 }, () => new AbortController());
      const order: number[] = [];
      const turns = stops.map(async ({ signal }, at) => {
        await store.lead('x', { ttlMs, signal });
        order.push(at);
        stops[at]?.abort();
      });
      stops[2]?.abort(new Error('gave up'));
      const results = await Promise.allSettled(turns);
      assert.deepEqual(order, [0, 1, 3]);
      assert.equal(results[2]?.status === 'rejected' && results[2].reason.message, 'gave up');
    });

    it('leadership ends with the store, and a restarted one gives it at once', async () => {
      await using opened = await driver.open();
      const { signal } = new AbortController();
      const first = await opened.store.lead('x', { ttlMs, signal });
      const waiting = assert.rejects(candidate(opened.store).promise, { code: 'Closed' });
      await opened.store[Symbol.asyncDispose]();
      assert.ok(first.signal.aborted);
      await waiting;
      if (!driver.durable) return;
      const store = await opened.reopen();
      const second = await store.lead('x', { ttlMs, signal });
      assert.ok(second.fence > first.fence);
      await assert.rejects(act(store, first), { code: 'RevisionMismatch' });
    });
  });
}

function candidate(store: Store): { promise: Promise<Leadership>; leads: () => boolean } {
  let leads = false;
  const promise = store.lead('x', { ttlMs, signal: new AbortController().signal }).then((leadership) => {
    leads = true;
    return leadership;
  });
  return { promise, leads: () => leads };
}

/** A fenced write. */
function act(store: Store, { guard }: Leadership): Promise<number> {
  return store.txn([guard], [{ type: 'put', key: 'work', value: bytes('done') }]);
}

/** Lets everything that was started reach the store: a write queued behind it is done. */
async function settle(store: Store): Promise<void> {
  for (let turn = 0; turn < 3; turn++) {
    await store.txn([], [{ type: 'put', key: 'turn', value: bytes('') }]);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
