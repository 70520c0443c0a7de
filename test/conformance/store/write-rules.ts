import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bytes, type StoreDriver, text } from './drivers.ts';

export function writeRules(driver: StoreDriver): void {
  describe(`${driver.name}: writes`, () => {
    it('a new store is empty, at revision 0, with an epoch of its own', async () => {
      await using one = await driver.open();
      await using other = await driver.open();
      assert.equal(one.store.revision, 0);
      assert.equal(one.store.floor, 0);
      assert.notEqual(one.store.epoch, other.store.epoch);
      assert.equal(await one.store.get('a'), undefined);
      assert.deepEqual(await one.store.list(''), { entries: [], revision: 0, more: false });
    });

    it('each transaction takes the next revision', async () => {
      await using opened = await driver.open();
      const { store } = opened;
      assert.equal(await store.create('a', bytes('1')), 1);
      assert.equal(await store.update('a', bytes('2'), 1), 2);
      assert.equal(await store.delete('a'), 3);
      const operations = ['x', 'y'].map((key) => ({ type: 'put' as const, key, value: bytes(key) }));
      assert.equal(await store.txn([], operations), 4);
      assert.equal(store.revision, 4);
      assert.equal((await store.get('y'))?.revision, 4);
    });

    it('create refuses a key that exists, and takes one that was deleted', async () => {
      await using opened = await driver.open();
      const { store } = opened;
      await store.create('a', bytes('1'));
      await assert.rejects(store.create('a', bytes('2')), { code: 'KeyExists' });
      await store.delete('a', 1);
      assert.equal(await store.create('a', bytes('3')), 3);
      assert.equal(text((await store.get('a'))?.value), '3');
    });

    it('update and delete refuse any revision but the last, and a missing key', async () => {
      await using opened = await driver.open();
      const { store } = opened;
      await assert.rejects(store.update('a', bytes('1'), 0), { code: 'KeyNotFound' });
      await assert.rejects(store.delete('a'), { code: 'KeyNotFound' });
      await store.create('a', bytes('1'));
      await store.update('a', bytes('2'), 1);
      await assert.rejects(store.update('a', bytes('3'), 1), { code: 'RevisionMismatch' });
      await assert.rejects(store.update('a', bytes('3'), 3), { code: 'RevisionMismatch' });
      await assert.rejects(store.delete('a', 1), { code: 'RevisionMismatch' });
      await store.delete('a', 2);
      await assert.rejects(store.update('a', bytes('3'), 2), { code: 'KeyNotFound' });
      await assert.rejects(store.delete('a', 3), { code: 'KeyNotFound' });
      assert.equal(store.revision, 3);
    });

    it('of concurrent writers that expect the same revision exactly one wins', async () => {
      await using opened = await driver.open();
      const { store } = opened;
      await store.create('counter', bytes('0'));
      const increment = async (): Promise<number> => {
        const entry = await store.get('counter');
        assert.ok(entry);
        const value = bytes(String(Number(text(entry.value)) + 1));
        return store.update('counter', value, entry.revision).catch((error: { code: string }) => {
          assert.equal(error.code, 'RevisionMismatch');
          return increment();
        });
      };
      await Promise.all(Array.from({ length: 20 }, increment));
      assert.equal(text((await store.get('counter'))?.value), '20');
      assert.equal(store.revision, 21);
    });

    it('writes sent together are applied in the order they were sent', async () => {
      await using opened = await driver.open();
      const { store } = opened;
      const results = await Promise.allSettled([
        store.create('a', bytes('1')),
        store.create('a', bytes('2')),
        store.delete('a'),
        store.create('a', bytes('3')),
        store.update('a', bytes('4'), 3),
      ]);
      assert.deepEqual(
        results.map((result) => (result.status === 'fulfilled' ? result.value : result.reason.code)),
        [1, 'KeyExists', 2, 3, 4],
      );
      assert.equal(text((await store.get('a'))?.value), '4');
    });

    it('a transaction happens as a whole or not at all', async () => {
      await using opened = await driver.open();
      const { store } = opened;
      await store.create('a', bytes('1'));
      const operations = [
        { type: 'put' as const, key: 'b', value: bytes('b') },
        { type: 'delete' as const, key: 'a' },
      ];
      await assert.rejects(store.txn([{ key: 'a', revision: 2 }], operations), { code: 'RevisionMismatch' });
      await assert.rejects(store.txn([{ key: 'a', revision: 0 }], operations), { code: 'RevisionMismatch' });
      await assert.rejects(store.txn([{ key: 'c', revision: 1 }], operations), { code: 'RevisionMismatch' });
      assert.equal(store.revision, 1);
      const guards = [
        { key: 'a', revision: 1 },
        { key: 'c', revision: 0 },
      ];
      assert.equal(await store.txn(guards, operations), 2);
      const { entries } = await store.list('');
      assert.deepEqual(
        entries.map(({ key }) => key),
        ['b'],
      );
    });

    it('a transaction that changes nothing takes no revision', async () => {
      await using opened = await driver.open();
      const { store } = opened;
      await store.create('a', bytes('1'));
      assert.equal(await store.txn([{ key: 'a', revision: 1 }], []), 1);
      assert.equal(await store.txn([], [{ type: 'delete', key: 'missing' }]), 1);
      assert.equal(store.revision, 1);
    });

    it('what is too large is refused, what cannot be a key too', async () => {
      await using opened = await driver.open({ valueBytesMax: 10, keyBytesMax: 8, txnOperationsMax: 2 });
      const { store } = opened;
      await store.create('12345678', bytes('1234567890'));
      const put = (key: string) => ({ type: 'put' as const, key, value: bytes('') });
      await assert.rejects(store.create('a', bytes('12345678901')), { code: 'ValueTooLarge' });
      await assert.rejects(store.create('aé345678', bytes('')), { code: 'ValueTooLarge' });
      await assert.rejects(store.txn([], ['a', 'b', 'c'].map(put)), { code: 'ValueTooLarge' });
      await assert.rejects(store.txn([], ['a', 'a'].map(put)), TypeError);
      await assert.rejects(store.create('', bytes('')), TypeError);
      await assert.rejects(store.create('\ud800', bytes('')), TypeError);
      assert.equal(store.revision, 1);
    });

    it('a closed store takes and tells nothing, and closes once', async () => {
      await using opened = await driver.open();
      const { store } = opened;
      const written = store.create('a', bytes('1'));
      await Promise.all([store[Symbol.asyncDispose](), store[Symbol.asyncDispose]()]);
      assert.equal(await written, 1, 'what was taken before the end is written');
      const closed = { code: 'Closed' };
      await assert.rejects(store.create('b', bytes('')), closed);
      await assert.rejects(store.get('a'), closed);
      await assert.rejects(store.list(''), closed);
      await assert.rejects(store.count(''), closed);
      await assert.rejects(store.compact(1), closed);
      await assert.rejects(store.lead('x', { ttlMs: 1_000, signal: new AbortController().signal }), closed);
      const watch = store.watch('', 0, { signal: new AbortController().signal });
      await assert.rejects(watch[Symbol.asyncIterator]().next(), closed);
    });
  });
}
