import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Store } from '../../../server/store/store.ts';
import { bytes, type StoreDriver, text } from './drivers.ts';

export function readRules(driver: StoreDriver): void {
  describe(`${driver.name}: reads`, () => {
    it('a key is read as it was at any revision that is kept', async () => {
      await using opened = await driver.open();
      const { store } = opened;
      await store.create('a', bytes('1'));
      await store.update('a', bytes('2'), 1);
      await store.delete('a');
      await store.create('a', bytes('4'));
      const values = [];
      for (let revision = 0; revision <= 4; revision++) {
        const entry = await store.get('a', { revision });
        values.push(entry && `${text(entry.value)} @${entry.revision}`);
      }
      assert.deepEqual(values, [undefined, '1 @1', '2 @2', undefined, '4 @4']);
      await assert.rejects(store.get('a', { revision: 5 }), { code: 'FutureRevision' });
      await assert.rejects(store.list('', { revision: 5 }), { code: 'FutureRevision' });
    });

    it('a list holds exactly the keys under its prefix, in byte order', async () => {
      await using opened = await driver.open();
      const { store } = opened;
      // U+FF61 is one UTF-16 unit, U+10000 two smaller ones, yet its bytes sort after.
      const inOrder = ['p', 'p\0', 'p\0q', 'p-a', 'p/a', 'p/a-b', 'p/a/b', 'pé', 'p\uff61', 'p\u{10000}'];
      for (const key of ['o', 'q', ...inOrder.toReversed()]) await store.create(key, bytes(key));
      const { entries } = await store.list('p');
      assert.deepEqual(
        entries.map(({ key }) => key),
        inOrder,
      );
      assert.deepEqual(
        entries.map(({ value }) => text(value)),
        inOrder,
      );
      assert.equal(await store.count('p'), inOrder.length);
      assert.equal(await store.count('p/a'), 3);
      assert.equal(await store.count(''), inOrder.length + 2);
      assert.equal(await store.count('none'), 0);
      assert.deepEqual(await keys(store, 'p', { start: 'p/a-b' }), inOrder.slice(5));
      assert.deepEqual(await keys(store, 'p', { start: 'a' }), inOrder);
      assert.deepEqual(await keys(store, 'p', { start: 'pz' }), inOrder.slice(7));
      assert.deepEqual(await keys(store, 'p', { start: 'q' }), []);
    });

    it('more is told exactly when keys follow', async () => {
      await using opened = await driver.open();
      const { store } = opened;
      for (const key of ['a/1', 'a/2', 'b/1']) await store.create(key, bytes(key));
      assert.equal((await store.list('a/', { limit: 1 })).more, true);
      assert.equal((await store.list('a/', { limit: 2 })).more, false);
      assert.equal((await store.list('a/', { limit: 3 })).more, false);
      await store.delete('a/2');
      assert.equal((await store.list('a/', { limit: 1 })).more, false);
      assert.equal((await store.list('a/', { limit: 1, revision: 3 })).more, true);
    });

    it('pages of a list show one revision while everything changes', async () => {
      await using opened = await driver.open();
      const { store } = opened;
      const names = Array.from({ length: 97 }, (_, at) => `k/${String(at).padStart(3, '0')}`);
      await Promise.all(names.map((name) => store.create(name, bytes('old'))));
      const first = await store.list('k/', { limit: 10 });
      const pages = [first];
      for (let page = first; page.more; pages.push(page)) {
        const churn = names.slice(0, 40).map(async (name, at) => {
          if (at % 3 === 0) await store.delete(name).catch(() => {});
          else await store.txn([], [{ type: 'put', key: name, value: bytes('new') }]);
        });
        const last = page.entries.at(-1)?.key;
        const [next] = await Promise.all([
          store.list('k/', { limit: 10, start: `${last}\0`, revision: first.revision }),
          ...churn,
          store.txn([], [{ type: 'put', key: `k/extra-${pages.length}`, value: bytes('new') }]),
        ]);
        page = next;
      }
      const entries = pages.flatMap((page) => page.entries);
      assert.deepEqual(
        entries.map(({ key }) => key),
        names,
      );
      assert.ok(entries.every(({ value }) => text(value) === 'old'));
      assert.ok(pages.every(({ revision }) => revision === first.revision));
    });

    it('a list that is under way while writes commit shows the revision it tells', async () => {
      await using opened = await driver.open({ valueCacheBytesMax: 0, readChunkEntries: 7 });
      const { store } = opened;
      const names = Array.from({ length: 60 }, (_, at) => `k/${at}`);
      await store.txn(
        [],
        names.map((key) => ({ type: 'put', key, value: bytes('0') })),
      );
      for (let round = 1; round <= 5; round++) {
        const listing = store.list('k/');
        const writing = names.map((key) => store.txn([], [{ type: 'put', key, value: bytes(`${round}`) }]));
        const [list] = await Promise.all([listing, ...writing]);
        const expected = await store.list('k/', { revision: list.revision });
        assert.deepEqual(list, expected);
      }
    });

    it('a plain read is not disturbed by a compaction', async () => {
      // One value at a time, so that the compaction is done long before the list.
      await using opened = await driver.open({ valueCacheBytesMax: 0, readChunkEntries: 1 });
      const { store } = opened;
      for (let round = 0; round < 3; round++) {
        const puts = Array.from({ length: 200 }, (_, at) => ({
          type: 'put' as const,
          key: `k/${at}`,
          value: bytes(`${round}`),
        }));
        await store.txn([], puts);
        const listing = Promise.all([store.list('k/'), store.get('k/7')]);
        const later = store.txn([], puts).then((revision) => store.compact(revision));
        const [{ entries }, entry] = await listing;
        await later;
        assert.equal(entries.length, 200);
        assert.ok(entries.every(({ value }) => text(value) === `${round}`));
        assert.equal(text(entry?.value), `${round}`);
      }
    });
  });
}

async function keys(store: Store, prefix: string, options: { start: string }): Promise<string[]> {
  const { entries } = await store.list(prefix, options);
  return entries.map(({ key }) => key);
}
