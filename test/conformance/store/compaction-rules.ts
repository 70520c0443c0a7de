import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bytes, type StoreDriver, text } from './drivers.ts';
import { changesUpTo } from './watching.ts';

export function compactionRules(driver: StoreDriver): void {
  describe(`${driver.name}: compaction`, () => {
    it('forgets below the floor and keeps everything from it on', async () => {
      await using opened = await driver.open({ compactionStepVersions: 2 });
      const { store } = opened;
      await store.create('kept', bytes('1'));
      for (let at = 1; at <= 9; at++) await store.txn([], [{ type: 'put', key: 'a', value: bytes(`${at}`) }]);
      await store.delete('a');
      await store.create('b', bytes('b'));
      const before = await store.list('', { revision: 8 });
      await store.compact(8);
      assert.equal(store.floor, 8);
      assert.equal(store.revision, 12);
      await assert.rejects(store.get('a', { revision: 7 }), { code: 'Compacted' });
      await assert.rejects(store.list('', { revision: 7 }), { code: 'Compacted' });
      assert.deepEqual(await store.list('', { revision: 8 }), before);
      assert.equal(text((await store.get('a', { revision: 10 }))?.value), '9');
      assert.deepEqual(await changesUpTo(store, { prefix: 'a', from: 8 }), [
        'put a=8 @9 (was 7 @8)',
        'put a=9 @10 (was 8 @9)',
        'delete a @11 (was 9 @10)',
      ]);
    });

    it('keeps current values whatever it forgets, and deleted keys stay deleted', async () => {
      await using opened = await driver.open();
      let { store } = opened;
      await store.create('a', bytes('a'));
      await store.create('b', bytes('b'));
      await store.delete('b');
      await store.compact(3);
      for (const restarted of [false, true]) {
        if (restarted) store = await opened.reopen();
        assert.equal(text((await store.get('a'))?.value), 'a');
        assert.equal(await store.get('b'), undefined);
        assert.equal(await store.count(''), 1);
        assert.equal(store.revision, 3, 'the revision outlives the entry it belonged to');
        assert.equal(store.floor, 3);
      }
      assert.equal(await store.create('b', bytes('again')), 4);
      assert.deepEqual(await changesUpTo(store, { from: 3 }), ['put b=again @4']);
    });

    it('refuses the future, and takes the past as done', async () => {
      await using opened = await driver.open();
      const { store } = opened;
      await store.create('a', bytes('a'));
      await store.update('a', bytes('b'), 1);
      await assert.rejects(store.compact(3), { code: 'FutureRevision' });
      await store.compact(2);
      await store.compact(1);
      assert.equal(store.floor, 2);
    });

    it('goes on beside writers, and several at once', async () => {
      await using opened = await driver.open({ compactionStepVersions: 3 });
      const { store } = opened;
      const stop = new AbortController();
      const write = async (writer: number) => {
        for (let at = 0; !stop.signal.aborted; at++) {
          const key = `k/${writer}/${at % 3}`;
          const operation =
            at % 7 === 6
              ? { type: 'delete' as const, key }
              : { type: 'put' as const, key, value: bytes(`${at}`) };
          await store.txn([], [operation]);
          // The memory store never waits; give the others a turn.
          await new Promise((resolve) => setImmediate(resolve));
        }
      };
      const writers = [0, 1, 2].map(write);
      for (let round = 0; round < 20; round++) {
        await store.create(`mark/${round}`, bytes(''));
        const target = store.revision;
        const list = await store.list('', { revision: target });
        await Promise.all([store.compact(target), store.compact(Math.max(target - 2, 0))]);
        assert.deepEqual(await store.list('', { revision: target }), list);
      }
      stop.abort();
      await Promise.all(writers);
      const current = await store.list('');
      await store.compact(store.revision);
      assert.deepEqual(await store.list(''), current);
      assert.deepEqual(await (await opened.reopen()).list(''), current);
    });

    it('a watcher that is replaying learns that its place is gone', async () => {
      await using opened = await driver.open({ replayEventsMax: 2, valueCacheBytesMax: 0 });
      const { store } = opened;
      for (let at = 0; at < 10; at++) await store.txn([], [{ type: 'put', key: 'a', value: bytes(`${at}`) }]);
      const watch = store.watch('', 0, new AbortController())[Symbol.asyncIterator]();
      const first = await watch.next();
      assert.equal(first.done, false);
      const told = first.value.revision;
      await store.compact(10);
      // A driver may have buffered all of it already; what it must not do is skip.
      if (told < 10) await assert.rejects(watch.next(), { code: 'Compacted' });
      await watch.return?.();
    });
  });
}
