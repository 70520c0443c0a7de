import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addOpenApiPart } from '../../../../server/api/aggregation/merged-openapi.ts';

const refTo = (name: string) => ({ $ref: `#/definitions/${name}` });

test('a part brings its paths and what they need; a name that is taken for something else gets another', () => {
  const document = {
    paths: { '/apis/apps/v1': {} },
    definitions: { Meta: { type: 'object' }, Thing: { type: 'string' } } as Record<string, unknown>,
  };
  addOpenApiPart(document, {
    paths: { '/apis/x/v1/things': { get: refTo('Thing') }, '/apis/apps/v1': { stolen: true } },
    definitions: {
      Thing: { type: 'object', properties: { meta: refTo('Meta'), inner: refTo('Thing') } },
      Meta: { type: 'object' },
      Unused: {},
    },
  });
  assert.deepEqual(document, {
    paths: { '/apis/apps/v1': {}, '/apis/x/v1/things': { get: refTo('Thing_v2') } },
    definitions: {
      Meta: { type: 'object' },
      Thing: { type: 'string' },
      Thing_v2: { type: 'object', properties: { meta: refTo('Meta'), inner: refTo('Thing_v2') } },
    },
  });
});
