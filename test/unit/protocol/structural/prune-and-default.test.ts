import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applySchemaDefaults } from '../../../../protocol/structural/apply-defaults.ts';
import { pruneObject } from '../../../../protocol/structural/prune.ts';
import type { StructuralSchema } from '../../../../protocol/structural/structural-schema.ts';

const schema: StructuralSchema = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      default: {},
      properties: {
        size: { type: 'integer', default: 3 },
        note: { type: 'string', nullable: true, default: 'n' },
        free: {
          type: 'object',
          'x-kubernetes-preserve-unknown-fields': true,
          properties: { known: { type: 'object' } },
        },
        list: {
          type: 'array',
          items: { type: 'object', properties: { a: { type: 'string', default: 'x' } } },
        },
        map: {
          type: 'object',
          additionalProperties: { type: 'object', properties: { b: { type: 'string' } } },
        },
        pod: {
          type: 'object',
          'x-kubernetes-embedded-resource': true,
          properties: { spec: { type: 'object' } },
        },
      },
    },
  },
};

test('unknown fields go, and are named; what is declared open, embedded or metadata stays', () => {
  const object = {
    apiVersion: 'v',
    kind: 'K',
    metadata: { name: 'n' },
    extra: 1,
    spec: {
      size: 1,
      bogus: 1,
      free: { anything: { at: 'all' }, known: { odd: 1 } },
      list: [{ a: 'y', z: 1 }],
      map: { k: { b: 'c', d: 1 } },
      pod: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, odd: 1 },
    },
  };
  assert.deepEqual(pruneObject(object, schema), [
    'extra',
    'spec.bogus',
    'spec.free.known.odd',
    'spec.list[0].z',
    'spec.map.k.d',
    'spec.pod.odd',
  ]);
  assert.deepEqual(object.spec, {
    size: 1,
    free: { anything: { at: 'all' }, known: {} },
    list: [{ a: 'y' }],
    map: { k: { b: 'c' } },
    pod: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' } },
  });
  assert.deepEqual(pruneObject(object, schema), []);
});

test('defaults are filled in at every depth, once, and are nobody else’s', () => {
  const first: Record<string, unknown> = {};
  applySchemaDefaults(first, schema);
  assert.deepEqual(first, { spec: { size: 3, note: 'n' } });
  const second = { spec: { size: null, note: null, list: [{}] } };
  applySchemaDefaults(second, schema);
  assert.deepEqual(second, { spec: { size: 3, note: null, list: [{ a: 'x' }] } });
  assert.deepEqual(schema.properties?.['spec']?.default, {});
});
