import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Store, WatchBatch } from '../../../server/store/store.ts';
import { bytes, type StoreDriver } from './drivers.ts';
import { changesUpTo, checkOrder, describeEvent } from './watching.ts';

export function watchRules(driver: StoreDriver): void {
  describe(`${driver.name}: watch`, () => {
    it('tells each change under the prefix with what was there before', async () => {
      await using opened = await driver.open();
      const { store } = opened;
      await story(store);
      assert.deepEqual(await changesUpTo(store, { prefix: 'a' }), [
        'put a/1=x @1',
        'put a/1=y @3 (was x @1)',
        'delete a/1 @4 (was y @3)',
        'put a/1=z @5',
        'put a/2=w @5',
      ]);
      assert.deepEqual(await changesUpTo(store, { prefix: 'a/1', from: 3 }), [
        'delete a/1 @4 (was y @3)',
        'put a/1=z @5',
      ]);
    });

    it('tells the same live as from the log', async () => {
      await using opened = await driver.open();
      const { store } = opened;
      const live = changesUpTo(store, { prefix: 'a', revision: 5 });
      await story(store);
      assert.deepEqual(await live, await changesUpTo(store, { prefix: 'a' }));
    });

    it('tells the same after a restart', { skip: !driver.durable }, async () => {
      await using opened = await driver.open();
      await story(opened.store);
      const before = await changesUpTo(opened.store, { prefix: '' });
      const { epoch } = opened.store;
      const store = await opened.reopen();
      assert.equal(store.epoch, epoch);
      assert.deepEqual(await changesUpTo(store, { prefix: '' }), before);
      assert.deepEqual(await changesUpTo(store, { prefix: '', from: 3 }), before.slice(3));
    });

    it('has no gap and no duplicate between the log and live, whenever it starts', async () => {
      await using opened = await driver.open({ replayEventsMax: 7 });
      const { store } = opened;
      const total = 400;
      const watchers: Promise<string[]>[] = [];
      const write = async (writer: number) => {
        for (let at = 0; at < total / 4; at++) {
          const key = `k/${writer}/${at % 5}`;
          await store.txn([], [{ type: 'put', key, value: bytes(`${at}`) }]);
          if (at % 10 === writer)
            watchers.push(changesUpTo(store, { prefix: 'k/1', revision: total, from: at }));
        }
      };
      const fromStart = changesUpTo(store, { prefix: '', revision: total });
      await Promise.all([0, 1, 2, 3].map(write));
      await store.create('end', bytes(''));
      const all = await fromStart;
      assert.equal(all.length, total);
      assert.equal(new Set(all.map((line) => line.match(/@(\d+)/)?.[1])).size, total);
      const expected = all.filter((line) => line.includes(' k/1/'));
      await opened.clock.advance(60_000);
      for (const seen of await Promise.all(watchers)) {
        assert.deepEqual(seen, expected.slice(expected.length - seen.length));
      }
    });

    it('each of many watchers, on same, nested and distinct prefixes, gets exactly its own', async () => {
      await using opened = await driver.open();
      const { store } = opened;
      const stop = new AbortController();
      const prefixes = ['', 'n', 'n/', 'n/1', 'n/1/', 'n/1/x', 'n/10', 'n/2/', 'm', 'n/1/', 'zz'];
      const seen = prefixes.map((): string[] => []);
      const watching = prefixes.map(async (prefix, at) => {
        for await (const { events } of store.watch(prefix, 0, stop)) {
          for (const { key } of events) {
            seen[at]?.push(key);
            if (key === `${prefix}~end`) return;
          }
        }
      });
      const keys = ['n/1/x', 'n/1/y', 'n/10/x', 'n/2/x', 'm/1', 'n', 'o'];
      for (const key of keys) await store.create(key, bytes(''));
      const ends = [...new Set(prefixes)].map((prefix) => `${prefix}~end`);
      await store.txn(
        [],
        ends.map((key) => ({ type: 'put', key, value: bytes('') })),
      );
      await Promise.all(watching);
      for (const [at, prefix] of prefixes.entries()) {
        const before = seen[at]?.filter((key) => !key.endsWith('~end'));
        assert.deepEqual(
          before,
          keys.filter((key) => key.startsWith(prefix)),
          `watcher of "${prefix}"`,
        );
      }
    });

    it('an idle watcher learns the revision by bookmarks', async () => {
      await using opened = await driver.open();
      const { store, clock } = opened;
      await store.create('b', bytes(''));
      const stop = new AbortController();
      const watch = store.watch('a', 0, stop)[Symbol.asyncIterator]();
      assert.deepEqual(await watch.next(), { done: false, value: { revision: 1, events: [] } });
      const next = watch.next();
      await store.update('b', bytes(''), 1);
      await clock.advance(60_000);
      assert.deepEqual(await next, { done: false, value: { revision: 2, events: [] } });
      await clock.advance(60_000);
      await store.create('a', bytes(''));
      const { value } = await watch.next();
      assert.equal(value?.revision, 3, 'nothing is told twice');
      stop.abort();
      assert.equal((await watch.next()).done, true);
    });

    it('starts only where the log is', async () => {
      await using opened = await driver.open();
      const { store } = opened;
      await story(store);
      await store.compact(3);
      const { signal } = new AbortController();
      const first = (from: number) => store.watch('', from, { signal })[Symbol.asyncIterator]().next();
      await assert.rejects(first(2), { code: 'Compacted' });
      await assert.rejects(first(6), { code: 'FutureRevision' });
      assert.deepEqual(await changesUpTo(store, { from: 3 }), [
        'delete a/1 @4 (was y @3)',
        'put a/1=z @5',
        'put a/2=w @5',
      ]);
    });

    it('a reader that falls too far behind is cut off; the others are not', async () => {
      await using opened = await driver.open({ watchBufferEventsMax: 5 });
      const { store } = opened;
      const { signal } = new AbortController();
      const slow = store.watch('', 0, { signal })[Symbol.asyncIterator]();
      const first = slow.next();
      const quick = changesUpTo(store, { revision: 10 });
      for (let at = 0; at < 10; at++) await store.create(`k/${at}`, bytes(''));
      assert.equal((await first).done, false);
      await assert.rejects(slow.next(), { code: 'WatchOverflow' });
      assert.equal((await slow.next()).done, true);
      assert.equal((await quick).length, 10);
    });

    it('a reader that holds too many bytes is cut off', async () => {
      await using opened = await driver.open({ watchBufferBytesMax: 100 });
      const { store } = opened;
      const { signal } = new AbortController();
      const slow = store.watch('', 0, { signal })[Symbol.asyncIterator]();
      const first = slow.next();
      for (let at = 0; at < 4; at++) await store.create(`k/${at}`, bytes('x'.repeat(60)));
      await first;
      await assert.rejects(slow.next(), { code: 'WatchOverflow' });
    });

    it('ends when its signal aborts, when its reader leaves, and when the store closes', async () => {
      await using opened = await driver.open();
      const { store } = opened;
      const aborted = new AbortController();
      const one = store.watch('', 0, aborted)[Symbol.asyncIterator]();
      const two = store.watch('', 0, new AbortController())[Symbol.asyncIterator]();
      const pending = [one.next(), two.next()];
      await store.create('a', bytes(''));
      await Promise.all(pending);
      const [first, second] = [one.next(), two.next()];
      aborted.abort();
      assert.deepEqual(await first, { done: true, value: undefined });
      await store[Symbol.asyncDispose]();
      assert.deepEqual(await second, { done: true, value: undefined });
      const before = store.watch('', 0, { signal: AbortSignal.abort() })[Symbol.asyncIterator]();
      await assert.rejects(before.next(), { code: 'Closed' });
    });

    it('a batch never splits a transaction', async () => {
      await using opened = await driver.open({ replayEventsMax: 4 });
      const { store } = opened;
      const puts = (round: number) =>
        Array.from({ length: 3 }, (_, at) => ({
          type: 'put' as const,
          key: `k/${at}`,
          value: bytes(`${round}`),
        }));
      const live: WatchBatch[] = [];
      const reading = readTo(store, 30, live);
      await Promise.all(Array.from({ length: 30 }, (_, round) => store.txn([], puts(round))));
      await reading;
      const replayed: WatchBatch[] = [];
      await readTo(store, 30, replayed);
      for (const batches of [live, replayed]) {
        const lines = batches.flatMap(({ events }) => events.map(describeEvent));
        assert.equal(lines.length, 90);
        for (const { events, revision } of batches) {
          assert.equal(events.length % 3, 0);
          assert.equal(events.at(-1)?.revision, revision);
        }
      }
    });
  });
}

async function readTo(store: Store, revision: number, batches: WatchBatch[]): Promise<void> {
  let position = 0;
  for await (const batch of store.watch('', 0, new AbortController())) {
    checkOrder(batch, position);
    position = batch.revision;
    batches.push(batch);
    if (position >= revision) return;
  }
}

/** Five revisions of a few keys. */
async function story(store: Store): Promise<void> {
  await store.create('a/1', bytes('x'));
  await store.create('b', bytes('b'));
  await store.update('a/1', bytes('y'), 1);
  await store.delete('a/1');
  await store.txn(
    [],
    [
      { type: 'put', key: 'a/1', value: bytes('z') },
      { type: 'put', key: 'a/2', value: bytes('w') },
    ],
  );
}
