import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { KeyIndex } from '../../../../server/store/key-index.ts';
import type { Version } from '../../../../server/store/version.ts';

const version = (key: string, deleted = false): Version => ({
  key,
  revision: 1,
  slot: 0,
  deleted,
  previous: undefined,
});
const byBytes = (left: string, right: string) => Buffer.compare(Buffer.from(left), Buffer.from(right));

function walked(index: KeyIndex, prefix: string, start = prefix): string[] {
  const keys: string[] = [];
  index.walk(prefix, start, ({ key }) => {
    keys.push(key);
    return true;
  });
  return keys;
}

describe('key index', () => {
  it('agrees with a sorted list, whatever characters the keys have', () => {
    const letter = fc.constantFrom('a', 'b', '/', '-', '\0', 'é', '\ud7ff', '\ue000', '\uffff', '\u{10000}');
    const key = fc.string({ unit: letter, minLength: 1, maxLength: 4 });
    const change = fc.record({ key, type: fc.constantFrom('live', 'live', 'deleted', 'remove') });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 60 }), key, key, (changes, prefix, start) => {
        const index = new KeyIndex();
        const model = new Map<string, boolean>();
        for (const each of changes) {
          if (each.type === 'remove') {
            index.remove(each.key);
            model.delete(each.key);
          } else {
            index.set(version(each.key, each.type === 'deleted'));
            model.set(each.key, each.type === 'deleted');
          }
        }
        const sorted = [...model.keys()].sort(byBytes);
        for (const under of ['', prefix]) {
          const expected = sorted.filter((name) => name.startsWith(under));
          assert.deepEqual(walked(index, under), expected);
          assert.deepEqual(
            walked(index, under, start),
            expected.filter((name) => byBytes(name, start) >= 0),
          );
          const live = expected.filter((name) => !model.get(name)).length;
          assert.deepEqual(index.count(under), { live, all: expected.length });
        }
        for (const name of sorted) assert.equal(index.get(name)?.key, name);
        assert.equal(index.get(prefix) !== undefined, model.has(prefix));
      }),
    );
  });

  it('stays in order over many leaves, in whatever order keys come and go', () => {
    const count = 5_000;
    const name = (at: number) => `k/${String(at).padStart(5, '0')}`;
    const orders = [(at: number) => at, (at: number) => count - 1 - at, (at: number) => (at * 2_741) % count];
    for (const order of orders) {
      const index = new KeyIndex();
      for (let at = 0; at < count; at++) index.set(version(name(order(at)), order(at) % 4 === 0));
      const all = Array.from({ length: count }, (_, at) => name(at));
      assert.deepEqual(walked(index, ''), all);
      assert.deepEqual(index.count('k/0'), { live: 3_750, all: count });
      assert.deepEqual(index.count('k/012'), { live: 75, all: 100 });
      for (const key of all) assert.equal(index.get(key)?.key, key);
      for (let at = 0; at < count; at += 2) index.remove(name(order(at)));
      const kept = new Set(Array.from({ length: count / 2 }, (_, at) => name(order(2 * at + 1))));
      assert.deepEqual(
        walked(index, ''),
        all.filter((key) => kept.has(key)),
      );
      for (const key of all) assert.equal(index.get(key) !== undefined, kept.has(key));
      for (const key of kept) index.remove(key);
      assert.deepEqual(walked(index, ''), []);
      index.set(version('again'));
      assert.deepEqual(walked(index, ''), ['again']);
    }
  });
});
