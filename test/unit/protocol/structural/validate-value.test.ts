import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { StructuralSchema } from '../../../../protocol/structural/structural-schema.ts';
import { validateValue } from '../../../../protocol/structural/validate-value.ts';

const faults = (value: unknown, schema: StructuralSchema, path = 'spec') =>
  validateValue(value, schema, path).map(({ field, message }) => `${field}: ${message}`);

describe('a value is refused in the words of Kubernetes', () => {
  const cases: [string, unknown, StructuralSchema, string][] = [
    [
      'type',
      'x',
      { type: 'integer' },
      'spec: Invalid value: "string": spec in body must be of type integer: "string"',
    ],
    [
      'null',
      null,
      { type: 'string' },
      'spec: Invalid value: "null": spec in body must be of type string: "null"',
    ],
    [
      'fraction',
      1.5,
      { type: 'integer' },
      'spec: Invalid value: "number": spec in body must be of type integer: "number"',
    ],
    ['required', {}, { type: 'object', required: ['a'] }, 'spec.a: Required value'],
    [
      'enum',
      'c',
      { type: 'string', enum: ['a', 'b'] },
      'spec: Unsupported value: "c": supported values: "a", "b"',
    ],
    ['maxLength', 'abc', { type: 'string', maxLength: 2 }, 'spec: Too long: may not be more than 2 bytes'],
    [
      'minLength',
      '',
      { type: 'string', minLength: 1 },
      'spec: Invalid value: "": spec in body should be at least 1 chars long',
    ],
    [
      'pattern',
      'A',
      { type: 'string', pattern: '^[a-z]$' },
      `spec: Invalid value: "A": spec in body should match '^[a-z]$'`,
    ],
    [
      'format',
      '1.2.3',
      { type: 'string', format: 'ipv4' },
      'spec: Invalid value: "1.2.3": spec in body must be of type ipv4: "1.2.3"',
    ],
    [
      'minimum',
      0,
      { type: 'integer', minimum: 1 },
      'spec: Invalid value: 0: spec in body should be greater than or equal to 1',
    ],
    [
      'maximum',
      9,
      { type: 'integer', maximum: 8 },
      'spec: Invalid value: 9: spec in body should be less than or equal to 8',
    ],
    [
      'exclusive',
      8,
      { type: 'integer', maximum: 8, exclusiveMaximum: true },
      'spec: Invalid value: 8: spec in body should be less than 8',
    ],
    [
      'multiple',
      7,
      { type: 'integer', multipleOf: 5 },
      'spec: Invalid value: 7: spec in body should be a multiple of 5',
    ],
    [
      'maxItems',
      [1, 2],
      { type: 'array', maxItems: 1, items: {} },
      'spec: Too many: 2: must have at most 1 items',
    ],
    [
      'int-or-string',
      1.5,
      { 'x-kubernetes-int-or-string': true },
      'spec: Invalid value: "number": spec in body must be of type integer,string: "number"',
    ],
    [
      'set',
      ['a', 'a'],
      { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } },
      'spec[1]: Duplicate value: "a"',
    ],
    [
      'embedded',
      { kind: 'Pod' },
      { type: 'object', 'x-kubernetes-embedded-resource': true },
      'spec.apiVersion: Required value: must not be empty',
    ],
    [
      'not',
      'a',
      { type: 'string', not: { enum: ['a'] } },
      'spec: Invalid value: "a": spec in body must not validate the schema (not)',
    ],
  ];
  for (const [name, value, schema, words] of cases)
    test(name, () => assert.deepEqual(faults(value, schema), [words]));
});

test('keys of a list that is a map occur once; a default stands for a key that is left out', () => {
  const schema: StructuralSchema = {
    type: 'array',
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['port', 'protocol'],
    items: {
      type: 'object',
      properties: { port: { type: 'integer' }, protocol: { type: 'string', default: 'TCP' } },
    },
  };
  assert.deepEqual(faults([{ port: 1 }, { port: 1, protocol: 'UDP' }], schema), []);
  assert.deepEqual(faults([{ port: 1 }, { port: 1, protocol: 'TCP' }], schema), [
    'spec[1]: Duplicate value: {"port":1,"protocol":"TCP"}',
  ]);
});

test('alternatives: one of them, at least one, and the nearest one explains', () => {
  const oneOf = [{ required: ['a'] }, { required: ['b'] }];
  assert.deepEqual(faults({ a: 1 }, { type: 'object', oneOf }), []);
  assert.match(
    faults({ a: 1, b: 1 }, { type: 'object', oneOf })[0] ?? '',
    /\(oneOf\)\. Found more than one valid$/,
  );
  assert.deepEqual(faults({}, { type: 'object', anyOf: oneOf }), [
    'spec: Invalid value: {}: spec in body must validate at least one schema (anyOf)',
    'spec.a: Required value',
  ]);
});

test('a null that is allowed, a number without fraction and the values of a map are looked at as they should', () => {
  assert.deepEqual(faults(null, { type: 'string', nullable: true, enum: ['a'] }), []);
  assert.deepEqual(faults(2, { type: 'number' }), []);
  const map: StructuralSchema = { type: 'object', additionalProperties: { type: 'integer' } };
  assert.deepEqual(faults({ a: 1, b: 'x' }, map), [
    'spec.b: Invalid value: "string": spec.b in body must be of type integer: "string"',
  ]);
});

test('formats', () => {
  const fits = (format: string, text: string) => faults(text, { type: 'string', format }).length === 0;
  assert.ok(fits('date-time', '2026-01-31T12:00:00Z') && !fits('date-time', '2026-02-31T12:00:00Z'));
  assert.ok(fits('date', '2026-01-31') && !fits('date', '2026-13-01'));
  assert.ok(fits('duration', '1h30m') && !fits('duration', 'soon'));
  assert.ok(fits('cidr', '10.0.0.0/8') && !fits('cidr', '10.0.0.0/33'));
  assert.ok(fits('uuid', '8d7e1f7e-0a1c-4a39-9f2e-0123456789ab') && !fits('uuid', 'x'));
  assert.ok(fits('of-our-own', 'anything'));
});
