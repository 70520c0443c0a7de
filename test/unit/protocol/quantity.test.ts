import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  addQuantities,
  canonicalQuantity,
  compareQuantities,
  formatQuantity,
  isQuantity,
  parseQuantity,
  quantityMillis,
  quantityValue,
  subtractQuantities,
} from '../../../protocol/quantity.ts';

test('quantities take the canonical form that Kubernetes gives them', () => {
  const cases: [string, string][] = [
    ['0', '0'],
    ['0Ki', '0'],
    ['-0', '0'],
    ['0.5', '500m'],
    ['.5', '500m'],
    ['5.', '5'],
    ['+2', '2'],
    ['-1.5', '-1500m'],
    ['1500m', '1500m'],
    ['1000m', '1'],
    ['1000', '1k'],
    ['1024', '1024'],
    ['1024Ki', '1Mi'],
    ['1000Mi', '1000Mi'],
    ['1.5Gi', '1536Mi'],
    ['0.5Ki', '512'],
    ['0.1Ki', '102400m'],
    ['12e6', '12e6'],
    ['1E3', '1e3'],
    ['1e2', '100'],
    ['1500e-3', '1500e-3'],
    ['2E', '2E'],
    ['100n', '100n'],
    ['0.1n', '1n'],
    ['-0.1n', '-1n'],
    ['99999999999999999999', '9223372036854775807'],
  ];
  for (const [text, canonical] of cases) assert.equal(canonicalQuantity(text), canonical, text);
});

test('what is no quantity is refused', () => {
  for (const text of [
    '',
    ' ',
    'x',
    '1 ',
    '1.2.3',
    '--1',
    '1KI',
    '1ki',
    '1K',
    '1mm',
    '1e',
    '1e9999',
    '.',
    '-',
    '1Ki5',
    '1'.repeat(65),
  ]) {
    assert.equal(isQuantity(text), false, text);
  }
});

test('millicores and bytes are rounded up', () => {
  assert.equal(quantityMillis('1.5'), 1500);
  assert.equal(quantityMillis('100m'), 100);
  assert.equal(quantityMillis('1u'), 1);
  assert.equal(quantityValue('64Mi'), 64 * 1024 * 1024);
  assert.equal(quantityValue('1500m'), 2);
  assert.equal(quantityValue('-1500m'), -2);
});

const quantity = fc
  .tuple(
    fc.integer({ min: -1_000_000, max: 1_000_000 }),
    fc.option(fc.integer({ min: 0, max: 999 })),
    fc.constantFrom('', 'n', 'u', 'm', 'k', 'M', 'G', 'Ki', 'Mi', 'Gi', 'e3', 'e-3'),
  )
  .map(([whole, fraction, suffix]) => `${whole}${fraction === null ? '' : `.${fraction}`}${suffix}`);

test('the canonical form has the same value and is its own canonical form', () => {
  fc.assert(
    fc.property(quantity, (text) => {
      const canonical = canonicalQuantity(text);
      assert.equal(compareQuantities(parseQuantity(canonical), parseQuantity(text)), 0);
      assert.equal(canonicalQuantity(canonical), canonical);
    }),
  );
});

test('adding and taking away again leaves the value, in any order', () => {
  fc.assert(
    fc.property(quantity, quantity, (left, right) => {
      const [a, b] = [parseQuantity(left), parseQuantity(right)];
      assert.equal(compareQuantities(subtractQuantities(addQuantities(a, b), b), a), 0);
      assert.equal(compareQuantities(addQuantities(a, b), addQuantities(b, a)), 0);
    }),
  );
  assert.equal(formatQuantity(addQuantities(parseQuantity('0'), parseQuantity('1Gi'))), '1Gi');
});
