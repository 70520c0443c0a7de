import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { deploymentKind } from '../../../../protocol/kinds/deployment.ts';
import { compareFields } from '../../../../protocol/patch/compare-fields.ts';
import {
  compileFieldSchema,
  compileFieldSchemas,
  type FieldSchema,
} from '../../../../protocol/patch/field-schema.ts';
import { type FieldSet, noFields } from '../../../../protocol/patch/field-set.ts';
import { mergeFields } from '../../../../protocol/patch/merge-fields.ts';
import { emptyFormOf } from '../../../../protocol/patch/new-object.ts';
import { ownablePart } from '../../../../protocol/patch/owners.ts';
import { fieldsOf } from '../../../../protocol/patch/walk-fields.ts';
import { refTo, type Schema, type SchemaSet } from '../../../../protocol/schema/schema.ts';
import { schemas } from '../../../../protocol/schema/schemas.ts';

const text: Schema = { type: 'string' };
const set: SchemaSet = {
  'x.Reference': {
    type: 'object',
    properties: { name: text, uid: text },
    'x-kubernetes-map-type': 'atomic',
  },
  'x.Tree': {
    type: 'object',
    properties: { name: text, children: { type: 'array', items: { $ref: refTo('x.Tree') } } },
  },
};

/** The rules of an object with one field, `it`. */
function rulesOf(it: Schema): FieldSchema {
  return compileFieldSchema(
    { type: 'object', properties: { it } },
    { schemas: set, byName: compileFieldSchemas(set) },
  );
}

function owned(it: Schema, value: unknown): FieldSet {
  return fieldsOf({ it: value }, rulesOf(it));
}

describe('how a value is owned follows from its schema', () => {
  test('an atomic object whole, wherever the mark is; a granular use of it by its fields', () => {
    const value = { name: 'a', uid: 'b' };
    assert.deepEqual(owned({ $ref: refTo('x.Reference') }, value), { 'f:it': {} });
    assert.deepEqual(
      owned({ type: 'object', properties: { name: text }, 'x-kubernetes-map-type': 'atomic' }, value),
      {
        'f:it': {},
      },
    );
    const granular: Schema = { allOf: [{ $ref: refTo('x.Reference') }], 'x-kubernetes-map-type': 'granular' };
    assert.deepEqual(owned(granular, value), { 'f:it': { 'f:name': {}, 'f:uid': {} } });
  });

  test('a list without a mark whole, a set by its values, a map by its keys', () => {
    const list = (marks: Partial<Schema>, items: Schema = text): Schema => ({
      type: 'array',
      items,
      ...marks,
    });
    assert.deepEqual(owned(list({}), ['a']), { 'f:it': {} });
    assert.deepEqual(owned(list({ 'x-kubernetes-list-type': 'set' }), ['a', 'b']), {
      'f:it': { 'v:"a"': {}, 'v:"b"': {} },
    });
    const port: Schema = {
      type: 'object',
      properties: { port: { type: 'integer' }, protocol: { ...text, default: 'TCP' } },
    };
    const keys = ['protocol', 'port'];
    const ports = list({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': keys }, port);
    assert.deepEqual(owned(ports, [{ port: 1 }]), {
      'f:it': { 'k:{"port":1,"protocol":"TCP"}': { '.': {}, 'f:port': {} } },
    });
  });

  test('a map by its keys; an object that nobody describes whole, unless unknown fields are kept', () => {
    const value = { a: { b: ['c'] } };
    assert.deepEqual(owned({ type: 'object', additionalProperties: text }, { a: 'x' }), {
      'f:it': { 'f:a': {} },
    });
    assert.deepEqual(owned({ type: 'object' }, value), { 'f:it': {} });
    assert.deepEqual(owned({ type: 'object', 'x-kubernetes-preserve-unknown-fields': true }, value), {
      'f:it': { 'f:a': { '.': {}, 'f:b': {} } },
    });
  });

  test('what turns from an object into something else, where anything goes, has changed', () => {
    const rules = rulesOf({ type: 'object', 'x-kubernetes-preserve-unknown-fields': true });
    const changes = compareFields({ it: { a: { b: 1 } } }, { it: { a: 'text' } }, rules);
    assert.deepEqual(changes, {
      set: { 'f:it': { 'f:a': noFields } },
      removed: { 'f:it': { 'f:a': { 'f:b': {} } } },
    });
    assert.deepEqual(mergeFields({ it: { a: { b: 1 } } }, { it: { a: 'text' } }, rules), {
      it: { a: 'text' },
    });
  });

  test('a schema that contains itself is no trouble', () => {
    assert.deepEqual(owned({ $ref: refTo('x.Tree') }, { name: 'a', children: [] }), {
      'f:it': { 'f:name': {}, 'f:children': {} },
    });
  });
});

test('who creates a Deployment owns what Kubernetes says it does: not the structs, but what is in them', () => {
  const deployment = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: 'default', labels: { app: 'web' } },
    spec: {
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: { containers: [{ name: 'nginx', image: 'nginx', ports: [{ containerPort: 80 }] }] },
      },
    },
  };
  deploymentKind.applyDefaults?.(deployment);
  const schema = compileFieldSchemas(schemas)(deploymentKind.schema);
  const { set: fields } = compareFields(emptyFormOf(deployment), ownablePart(deployment), schema);
  const spec = fields['f:spec']?.['f:template']?.['f:spec'];
  assert.deepEqual(fields['f:metadata'], { 'f:labels': { '.': {}, 'f:app': {} } });
  assert.deepEqual(fields['f:spec']?.['f:selector'], {});
  assert.deepEqual(fields['f:spec']?.['f:strategy'], {
    'f:type': {},
    'f:rollingUpdate': { '.': {}, 'f:maxSurge': {}, 'f:maxUnavailable': {} },
  });
  assert.deepEqual(spec?.['f:containers'], {
    'k:{"name":"nginx"}': {
      '.': {},
      'f:name': {},
      'f:image': {},
      'f:imagePullPolicy': {},
      'f:ports': {
        '.': {},
        'k:{"containerPort":80,"protocol":"TCP"}': { '.': {}, 'f:containerPort': {}, 'f:protocol': {} },
      },
      'f:resources': {},
      'f:terminationMessagePath': {},
      'f:terminationMessagePolicy': {},
    },
  });
});
