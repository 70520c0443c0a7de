import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { applyJsonPatch } from '../../../../protocol/patch/json-patch.ts';
import { applyMergePatch } from '../../../../protocol/patch/merge-patch.ts';
import { StatusError } from '../../../../protocol/status.ts';

function refusal(run: () => unknown): StatusError {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof StatusError, String(error));
    return error;
  }
  throw new Error('not refused');
}

const causes = (error: StatusError) => error.details.causes?.map(({ message }) => message);

/** Examples of RFC 6902, appendix A, with what they lead to. */
const applied: [string, unknown, unknown[], unknown][] = [
  [
    'adding a member',
    { foo: 'bar' },
    [{ op: 'add', path: '/baz', value: 'qux' }],
    { baz: 'qux', foo: 'bar' },
  ],
  [
    'adding an element',
    { foo: ['bar', 'baz'] },
    [{ op: 'add', path: '/foo/1', value: 'qux' }],
    { foo: ['bar', 'qux', 'baz'] },
  ],
  ['appending', { foo: ['bar'] }, [{ op: 'add', path: '/foo/-', value: ['abc'] }], { foo: ['bar', ['abc']] }],
  ['removing a member', { baz: 'qux', foo: 'bar' }, [{ op: 'remove', path: '/baz' }], { foo: 'bar' }],
  [
    'removing an element',
    { foo: ['bar', 'qux', 'baz'] },
    [{ op: 'remove', path: '/foo/1' }],
    { foo: ['bar', 'baz'] },
  ],
  [
    'replacing',
    { baz: 'qux', foo: 'bar' },
    [{ op: 'replace', path: '/baz', value: 'boo' }],
    { baz: 'boo', foo: 'bar' },
  ],
  ['replacing the document', { a: 1 }, [{ op: 'replace', path: '', value: [] }], []],
  [
    'moving',
    { foo: { bar: 1 }, qux: {} },
    [{ op: 'move', from: '/foo/bar', path: '/qux/thud' }],
    { foo: {}, qux: { thud: 1 } },
  ],
  [
    'moving an element',
    { foo: [1, 2, 3, 4] },
    [{ op: 'move', from: '/foo/1', path: '/foo/3' }],
    { foo: [1, 3, 4, 2] },
  ],
  ['moving onto itself', { foo: 1 }, [{ op: 'move', from: '/foo', path: '/foo' }], { foo: 1 }],
  ['copying', { a: { b: [1] } }, [{ op: 'copy', from: '/a', path: '/c' }], { a: { b: [1] }, c: { b: [1] } }],
  [
    'testing',
    { baz: { b: 2, a: 1 } },
    [{ op: 'test', path: '/baz', value: { a: 1, b: 2 } }],
    { baz: { b: 2, a: 1 } },
  ],
  [
    'escapes',
    { '/': 9, '~1': 10 },
    [
      { op: 'test', path: '/~01', value: 10 },
      { op: 'remove', path: '/~1' },
    ],
    { '~1': 10 },
  ],
  ['an absent value tested for null', {}, [{ op: 'test', path: '/a', value: null }], {}],
];

for (const [name, document, patch, expected] of applied) {
  test(`JSON patch: ${name}`, () => {
    const before = structuredClone(document);
    assert.deepEqual(applyJsonPatch(document, patch), expected);
    assert.deepEqual(document, before, 'the document itself stays as it is');
  });
}

test('JSON patch: what does not apply is Invalid and says which operation', () => {
  const cases: [unknown, string][] = [
    [{ op: 'test', path: '/a', value: 2 }, 'testing value /a failed: test failed'],
    [
      { op: 'remove', path: '/b' },
      'remove operation does not apply: doc is missing path: "/b": missing value',
    ],
    [
      { op: 'replace', path: '/b', value: 1 },
      'replace operation does not apply: doc is missing path: "/b": missing value',
    ],
    [
      { op: 'add', path: '/b/c', value: 1 },
      'add operation does not apply: doc is missing path: "/b/c": missing value',
    ],
    [
      { op: 'add', path: '/l/3', value: 1 },
      'add operation does not apply: doc is missing path: "/l/3": invalid index referenced',
    ],
    [
      { op: 'add', path: '/l/01', value: 1 },
      'add operation does not apply: doc is missing path: "/l/01": invalid index referenced',
    ],
    [{ op: 'move', from: '/o', path: '/o/x' }, 'move operation does not apply: "/o" contains "/o/x"'],
    [
      { op: 'copy', from: '/b', path: '/c' },
      'copy operation does not apply: doc is missing path: "/b": missing value',
    ],
    [
      { op: 'add', path: '/constructor/prototype/x', value: 1 },
      'add operation does not apply: doc is missing path: "/constructor/prototype/x": missing value',
    ],
  ];
  for (const [operation, message] of cases) {
    const error = refusal(() => applyJsonPatch({ a: 1, l: [1], o: {} }, [operation]));
    assert.equal(error.code, 422);
    assert.equal(error.message, 'the server rejected our request due to an error in our request');
    assert.deepEqual(causes(error), [message]);
  }
});

test('JSON patch: what is no JSON patch is a BadRequest', () => {
  for (const patch of [
    {},
    [1],
    [{ op: 'add', path: 'a', value: 1 }],
    [{ op: 'add', path: '/a~2', value: 1 }],
    [{ op: 'add', path: '/a' }],
    [{ op: 'spin', path: '/a' }],
    [{ op: 'copy', path: '/a' }],
    [{ op: 'add', path: '/__proto__/x', value: 1 }],
    [{ op: 'add', path: '/a', value: JSON.parse('{"__proto__":{"x":1}}') as unknown }],
  ]) {
    assert.equal(refusal(() => applyJsonPatch({}, patch)).reason, 'BadRequest', JSON.stringify(patch));
  }
});

test('JSON patch: copies that double the document are stopped', () => {
  const doubling = Array.from({ length: 60 }, (_, index) => ({ op: 'copy', from: '', path: `/c${index}` }));
  assert.equal(refusal(() => applyJsonPatch({ a: 'x'.repeat(1000) }, doubling)).code, 413);
  const many = Array.from({ length: 10_001 }, () => ({ op: 'test', path: '', value: {} }));
  assert.equal(refusal(() => applyJsonPatch({}, many)).code, 413);
});

/** Examples of RFC 7386, appendix A. */
const merged: [unknown, unknown, unknown][] = [
  [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
  [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
  [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
  [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
  [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
  [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: 'b', c: null }, { a: 'b' }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  [{ a: 'b' }, ['c'], ['c']],
];

test('merge patch: the examples of RFC 7386', () => {
  for (const [document, patch, expected] of merged)
    assert.deepEqual(applyMergePatch(document, patch), expected);
});

test('merge patch: __proto__ and endless depth are refused', () => {
  const hostile = JSON.parse('{"a":{"__proto__":{"polluted":1}}}') as unknown;
  assert.equal(refusal(() => applyMergePatch({}, hostile)).reason, 'BadRequest');
  const deep = JSON.parse('{"a":'.repeat(5000) + '1' + '}'.repeat(5000)) as unknown;
  assert.equal(refusal(() => applyMergePatch({}, deep)).reason, 'BadRequest');
});

test('an empty patch changes nothing', () => {
  const json = fc.jsonValue({ maxDepth: 4 }).filter((value) => !JSON.stringify(value).includes('__proto__'));
  fc.assert(
    fc.property(json, (document) => {
      assert.deepEqual(applyJsonPatch(document, []), document);
      if (typeof document === 'object' && document !== null && !Array.isArray(document)) {
        assert.deepEqual(applyMergePatch(document, {}), document);
      }
    }),
  );
});
