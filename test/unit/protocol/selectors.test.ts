import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  compileLabelSelector,
  formatLabelSelector,
  parseFieldSelector,
  parseLabelRequirements,
  parseLabelSelector,
  selectorText,
} from '../../../protocol/selectors.ts';
import { StatusError } from '../../../protocol/status.ts';

test('a label selector takes what Kubernetes would take', () => {
  const labels = { app: 'web', tier: 'front', size: '10', empty: '' };
  const cases: [string, boolean][] = [
    ['', true],
    ['app', true],
    ['!app', false],
    ['!other', true],
    ['app=web', true],
    ['app==web', true],
    ['app = web , tier = front', true],
    ['app!=web', false],
    ['other!=web', true],
    ['app in (web, api)', true],
    ['app in (api)', false],
    ['app notin (api)', true],
    ['other notin (api)', true],
    ['other in (api)', false],
    ['empty=', true],
    ['app=', false],
    ['empty in (,x)', true],
    ['size>9', true],
    ['size<10', false],
    ['app>1', false],
    ['app=web,!tier', false],
    ['toString', false],
    ['example.com/x!=1,app', true],
  ];
  for (const [text, expected] of cases) assert.equal(parseLabelSelector(text)(labels), expected, text);
  assert.equal(parseLabelSelector('a')(undefined), false);
});

test('a malformed label selector is a BadRequest', () => {
  for (const text of [
    '=',
    'a=b=c',
    'a in b',
    'a in (b',
    'a b',
    'a,',
    ',a',
    '(a)',
    'a=(b)',
    '!',
    'a>x',
    'a in (b))',
  ]) {
    assert.throws(
      () => parseLabelSelector(text),
      (error) => error instanceof StatusError && error.reason === 'BadRequest',
      text,
    );
  }
});

test("a spec's selector takes nothing when absent, everything when empty", () => {
  assert.equal(compileLabelSelector(undefined)({ a: 'b' }), false);
  assert.equal(compileLabelSelector({})({ a: 'b' }), true);
  const selector = {
    matchLabels: { b: '1', a: '2' },
    matchExpressions: [
      { key: 'd', operator: 'DoesNotExist' },
      { key: 'c', operator: 'NotIn', values: ['y', 'x'] },
    ],
  };
  assert.equal(selectorText(selector), 'a=2,b=1,c notin (x,y),!d');
  assert.equal(compileLabelSelector(selector)({ a: '2', b: '1' }), true);
  assert.equal(compileLabelSelector(selector)({ a: '2', b: '1', d: '' }), false);
});

test('the string form of a selector reads as the same selector', () => {
  const word = fc
    .stringMatching(/^[a-z][a-z0-9.-]{0,5}$/)
    .filter((text) => text !== 'in' && text !== 'notin');
  const requirement = fc.oneof(
    fc.record({ key: word, operator: fc.constantFrom('=' as const, '!=' as const), values: fc.tuple(word) }),
    fc.record({
      key: word,
      operator: fc.constantFrom('exists' as const, '!' as const),
      values: fc.constant([]),
    }),
    fc.record({
      key: word,
      operator: fc.constantFrom('in' as const, 'notin' as const),
      values: fc.uniqueArray(word, { minLength: 1, maxLength: 3 }).map((values) => values.toSorted()),
    }),
  );
  fc.assert(
    fc.property(fc.array(requirement, { maxLength: 4 }), (requirements) => {
      const read = parseLabelRequirements(formatLabelSelector(requirements));
      assert.deepEqual(read, structuredClone(requirements));
    }),
  );
});

test('a field selector reads terms, negation and escapes', () => {
  assert.deepEqual(parseFieldSelector(''), []);
  assert.deepEqual(parseFieldSelector('spec.nodeName=n1,status.phase!=Running, a==b'), [
    { field: 'spec.nodeName', operator: '=', value: 'n1' },
    { field: 'status.phase', operator: '!=', value: 'Running' },
    { field: 'a', operator: '=', value: 'b' },
  ]);
  assert.deepEqual(parseFieldSelector('a=x\\,y\\=z\\\\,b='), [
    { field: 'a', operator: '=', value: 'x,y=z\\' },
    { field: 'b', operator: '=', value: '' },
  ]);
  for (const text of ['a', 'a=b=c', '=b', 'a in (b)']) {
    assert.throws(
      () => parseFieldSelector(text),
      (error) => error instanceof StatusError && error.reason === 'BadRequest',
      text,
    );
  }
});
