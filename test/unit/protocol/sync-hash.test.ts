import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { emptySetSum, entryDigest, entrySum, setHash, sumOf } from '../../../protocol/sync-hash.ts';

test('a digest depends on the content alone: not on the order of keys, nor on fields that are undefined', () => {
  const one = entryDigest({ a: 1, b: { c: [1, 'x', null], d: undefined } });
  assert.equal(one, entryDigest({ b: { c: [1, 'x', null] }, a: 1 }));
  assert.match(one, /^[0-9a-f]{16}$/);
  assert.notEqual(one, entryDigest({ a: 1, b: { c: ['x', 1, null] } }));
  assert.notEqual(entryDigest({ a: '1' }), entryDigest({ a: 1 }));
  assert.notEqual(entryDigest({ a: { b: 1 } }), entryDigest({ a: {}, b: 1 }));
});

test('a digest survives the way over JSON, as a restarted server reads it from its store', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      assert.equal(entryDigest(value), entryDigest(JSON.parse(JSON.stringify(value))));
    }),
    { numRuns: 200, seed: 1 },
  );
});

test('digests stay what they are, or every device would be asked for its index after an upgrade', () => {
  assert.equal(entryDigest({ kind: 'Pod', spec: { containers: [{ name: 'a' }] } }), 'c27b1f836f991d20');
  assert.equal(setHash(emptySetSum), '0000000000000000');
  assert.equal(setHash(sumOf([{ key: 'Pod/1', digest: 'c27b1f836f991d20' }])), '7cfc9e9a50746a30');
});

test('the sum over any history of changes is that of the entries it leads to', () => {
  const change = fc.record({
    key: fc.constantFrom('a', 'b', 'c'),
    digest: fc.constantFrom('1', '2', undefined),
  });
  fc.assert(
    fc.property(fc.array(change), (history) => {
      const entries = new Map<string, string>();
      let sum = emptySetSum;
      for (const { key, digest } of history) {
        const old = entries.get(key);
        if (old !== undefined) sum -= entrySum(key, old);
        if (digest === undefined) entries.delete(key);
        else entries.set(key, digest);
        if (digest !== undefined) sum += entrySum(key, digest);
      }
      const reached = [...entries].map(([key, digest]) => ({ key, digest }));
      assert.equal(setHash(sum), setHash(sumOf(reached.reverse())));
    }),
    { numRuns: 300, seed: 2 },
  );
});
