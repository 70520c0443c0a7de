import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTimeBound, TimeBoundError } from '../../../lib/time-bound.ts';

test('work that runs on is stopped; other work answers or fails as it would alone', () => {
  const bound = createTimeBound();
  assert.equal(
    bound.run(() => 3, 1000),
    3,
  );
  assert.throws(() => bound.run(() => JSON.parse('{'), 1000), SyntaxError);
  assert.throws(() => bound.run(() => /^(a+)+$/.test(`${'a'.repeat(60)}!`), 20), TimeBoundError);
  assert.equal(
    bound.run(() => bound.run(() => 4, 1000) + 1, 1000),
    5,
    'also inside of itself',
  );
});
