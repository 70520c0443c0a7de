import assert from 'node:assert/strict';
import { test } from 'node:test';
import { structsAsMaps } from '../../../../protocol/cel/struct-literals.ts';

test('messages become maps, whatever stands around and inside them', () => {
  const cases: [string, string][] = [
    ['Object{spec: Object.spec{replicas: 3}}', '{"spec": {"replicas": 3}}'],
    ['[JSONPatch{op: "add", path: "/a", value: x}]', '[{"op": "add", "path": "/a", "value": x}]'],
    ['Object{a: b ? c : d, e: f(g, h)}', '{"a": b ? c : d, "e": f(g, h)}'],
    ['Object{a: {"b": c, d: e}, f: [g, h]}', '{"a": {"b": c, d: e}, "f": [g, h]}'],
    ['Object{?a: b, c: 1}', '{?"a": b, "c": 1}'],
    [
      '"Object{a: 1}" + \'JSONPatch{op\' // Object{b: 1}',
      '"Object{a: 1}" + \'JSONPatch{op\' // Object{b: 1}',
    ],
    ['object.Object{a: 1}', 'object.Object{a: 1}'],
    ['Object{}', '{}'],
    ['[1].map(i, Object.spec.items{ name : "a" })', '[1].map(i, { "name" : "a" })'],
    ['object.spec.replicas <= 5 && has(object.a)', 'object.spec.replicas <= 5 && has(object.a)'],
  ];
  for (const [written, expected] of cases) assert.equal(structsAsMaps(written), expected);
});
