import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { setHash, sumOf } from '../../../../protocol/sync-hash.ts';
import type { SetEntry } from '../../../../protocol/topics/sync.ts';
import { createNodeSet, type NodeSet, type SetChanges } from '../../../../server/nodes/node-set.ts';

const entry = (key: string, digest = '1'): SetEntry => ({ key, digest, object: {} });
const keys = ({ put, del }: SetChanges) => ({ put: put.map(({ key }) => key).sort(), del: del.sort() });

function applied(held: Map<string, SetEntry>, { put, del }: SetChanges): Map<string, SetEntry> {
  const next = new Map(held);
  for (const changed of put) next.set(changed.key, changed);
  for (const key of del) next.delete(key);
  return next;
}

test('changes between two looks are one revision; a look without a change is none', () => {
  const set = createNodeSet(100);
  assert.equal(set.state().revision, 100);
  set.put(entry('a'));
  set.put(entry('b'));
  set.remove('a');
  assert.equal(set.state().revision, 101);
  set.put(entry('b'));
  set.remove('z');
  assert.equal(set.state().revision, 101);
});

test('a delta is cumulative: what changed since, as it is now, each key once', () => {
  const set = createNodeSet(0);
  set.put(entry('a'));
  const base = set.state();
  set.put(entry('b'));
  set.state();
  set.put(entry('b', '2'));
  set.remove('a');
  set.state();
  const delta = set.deltaFrom(base);
  assert.deepEqual(delta && keys(delta), { put: ['b'], del: ['a'] });
  assert.equal(delta?.put[0]?.digest, '2');
  assert.deepEqual([delta?.from, delta?.to], [1, 3]);
});

test('a state that the set never had is not known, even at a revision that it had', () => {
  const set = createNodeSet(0);
  set.put(entry('a'));
  set.state();
  assert.equal(set.deltaFrom({ revision: 1, hash: 'ffffffffffffffff' }), undefined);
  assert.equal(set.deltaFrom({ revision: 7, hash: '0000000000000000' }), undefined);
});

test('a device that holds the same under a lower revision only learns the revision', () => {
  const set = createNodeSet(40);
  set.put(entry('a'));
  const { hash } = set.state();
  const delta = set.deltaFrom({ revision: 17, hash });
  assert.deepEqual(delta, { from: 17, to: 41, hash, put: [], del: [] });
});

test('the history ends at what the device acknowledged, and at a limit', () => {
  const set = createNodeSet(0);
  set.put(entry('a'));
  const first = set.state();
  set.put(entry('b'));
  const second = set.state();
  set.acknowledge(second);
  assert.equal(set.deltaFrom(first), undefined);
  set.put(entry('c'));
  assert.deepEqual(keys(set.deltaFrom(second) ?? { put: [], del: ['none'] }), { put: ['c'], del: [] });
  for (let n = 0; n < 40; n++) {
    set.put(entry('d', String(n)));
    set.state();
  }
  assert.equal(set.deltaFrom(second), undefined);
});

test('a device that has seen a higher revision raises the set above it', () => {
  const set = createNodeSet(5);
  set.raiseAbove(90);
  assert.equal(set.state().revision, 91);
  set.raiseAbove(10);
  set.raiseAbove(Number.MAX_SAFE_INTEGER);
  assert.equal(set.state().revision, 91);
});

test('whatever the history, delta and difference lead a device to exactly this set', () => {
  const step = fc.oneof(
    fc.record({
      do: fc.constant('put' as const),
      key: fc.constantFrom('a', 'b', 'c', 'd'),
      digest: fc.nat(2),
    }),
    fc.record({ do: fc.constant('remove' as const), key: fc.constantFrom('a', 'b', 'c', 'd') }),
    fc.record({ do: fc.constant('look' as const) }),
    fc.record({ do: fc.constant('follow' as const) }),
  );
  const take = (set: NodeSet, held: Map<string, SetEntry>, from: { revision: number; hash: string }) => {
    const changes =
      set.deltaFrom(from) ?? set.difference([...held].map(([key, { digest }]) => [key, digest]));
    return applied(held, changes);
  };
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const set = createNodeSet(0);
      let held = new Map<string, SetEntry>();
      let at = set.state();
      for (const now of steps) {
        if (now.do === 'put') set.put(entry(now.key, String(now.digest)));
        else if (now.do === 'remove') set.remove(now.key);
        else if (now.do === 'look') set.state();
        else {
          held = take(set, held, at);
          at = set.state();
          assert.equal(setHash(sumOf(held.values())), at.hash);
        }
      }
      assert.equal(setHash(sumOf(take(set, held, at).values())), set.state().hash);
    }),
    { numRuns: 300, seed: 5 },
  );
});
