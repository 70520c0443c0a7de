import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { validateStructure } from '../../../../protocol/structural/structural-rules.ts';
import type { StructuralSchema } from '../../../../protocol/structural/structural-schema.ts';

const faults = (field: object) => {
  const schema = { type: 'object', properties: { f: field } } as StructuralSchema;
  return validateStructure(schema, 's').map(({ field, message }) => `${field}: ${message}`);
};

describe('a schema that is not structural is refused', () => {
  const cases: [string, object, string][] = [
    [
      'a field without type',
      {},
      's.properties[f].type: Required value: must not be empty for specified object fields',
    ],
    [
      'an unknown type',
      { type: 'int' },
      's.properties[f].type: Unsupported value: "int": supported values: "array", "boolean", "integer", "number", "object", "string"',
    ],
    [
      'items without type',
      { type: 'array', items: {} },
      's.properties[f].items.type: Required value: must not be empty for specified array items',
    ],
    [
      'a reference',
      { type: 'string', $ref: '#/a' },
      's.properties[f].$ref: Forbidden: $ref is not supported',
    ],
    [
      'uniqueItems',
      { type: 'array', items: { type: 'string' }, uniqueItems: true },
      's.properties[f].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic',
    ],
    [
      'a closed map',
      { type: 'object', additionalProperties: false },
      's.properties[f].additionalProperties: Forbidden: additionalProperties cannot be set to false',
    ],
    [
      'a type in an alternative',
      { type: 'string', anyOf: [{ type: 'string' }] },
      's.properties[f].anyOf[0].type: Forbidden: must be empty to be structural',
    ],
    [
      'a field known only in an alternative',
      { type: 'object', oneOf: [{ properties: { x: {} } }] },
      's.properties[f].properties[x]: Required value: because it is defined in s.properties[f].oneOf[0].properties[x]',
    ],
    [
      'a default that does not fit',
      { type: 'integer', default: 'x' },
      's.properties[f].default: Invalid value: "string": s.properties[f].default in body must be of type integer: "string"',
    ],
    [
      'a default with more than the schema',
      { type: 'object', default: { a: 1 } },
      's.properties[f].default: Invalid value: {"a":1}: must not have unknown fields',
    ],
    [
      'a pattern that is none',
      { type: 'string', pattern: '(' },
      's.properties[f].pattern: Invalid value: "(": must be a valid regular expression, but isn\'t: Invalid regular expression: /(/: Unterminated group',
    ],
    [
      'a keyed list without keys',
      { type: 'array', 'x-kubernetes-list-type': 'map', items: { type: 'object' } },
      's.properties[f].x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map',
    ],
    [
      'words of a wrong type',
      { type: 'array', items: { type: 'object', properties: 'x' } },
      's.properties[f].items.properties: Invalid value: "x": must be an object',
    ],
  ];
  for (const [name, field, words] of cases) test(name, () => assert.deepEqual(faults(field), [words]));
});

test('what is structural passes', () => {
  assert.deepEqual(
    faults({ 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] }),
    [],
  );
  assert.deepEqual(faults({ 'x-kubernetes-preserve-unknown-fields': true }), []);
  assert.deepEqual(
    faults({
      type: 'object',
      properties: { a: { type: 'string', default: 'x' } },
      oneOf: [{ required: ['a'] }],
    }),
    [],
  );
});

test('of the metadata only the names may be restricted', () => {
  const schema = (metadata: StructuralSchema) => ({ type: 'object', properties: { metadata } });
  assert.deepEqual(
    validateStructure(
      schema({ type: 'object', properties: { name: { type: 'string', pattern: '^a' } } }),
      's',
    ),
    [],
  );
  assert.match(
    validateStructure(schema({ type: 'object', properties: { labels: { type: 'object' } } }), 's')[0]
      ?.message ?? '',
    /^Forbidden: must not specify anything other than name and generateName/,
  );
});
