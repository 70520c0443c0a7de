import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { encodeOpenApiV2 } from '../../../../server/api/discovery/openapi-v2-protobuf.ts';
import { type ApiFixture, openApi } from './api-fixture.ts';
import { decodeOpenApiV2 } from './decode-openapi-v2.ts';

const asked = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';
const answered = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';

describe('/openapi/v2 in protobuf', () => {
  let api: ApiFixture;
  before(async () => {
    api = await openApi();
  });
  after(() => api[Symbol.asyncDispose]());

  const get = (accept: string, headers: Record<string, string> = {}) =>
    api.send('GET', '/openapi/v2', { headers: { Accept: accept, ...headers } });

  test('says what the JSON says', async () => {
    const json = (await get('application/json')).json();
    const answer = await get(asked);
    assert.equal(answer.code, 200);
    const decoded = decodeOpenApiV2(answer.bytes);
    assert.deepEqual(decoded, withoutDefaults(json));
    assert.ok(Object.keys((decoded as { definitions: object }).definitions).length > 100);
  });

  test('comes under a type that Go can read, whichever spelling was asked for', async () => {
    for (const accept of [asked, answered, `${asked}, application/json;q=0.5`, `text/html,${asked}`])
      assert.equal((await get(accept)).headers['content-type'], answered, accept);
    for (const accept of ['application/json', '*/*', `application/json, ${asked};q=0.9`])
      assert.equal((await get(accept)).headers['content-type'], 'application/json', accept);
    assert.equal((await get('text/html')).code, 406);
  });

  test('has an entity tag of its own', async () => {
    const { etag = '' } = (await get(asked)).headers;
    assert.equal((await get(asked, { 'If-None-Match': etag })).code, 304);
    assert.equal((await get('application/json', { 'If-None-Match': etag })).code, 200);
  });

  test('keeps extensions of any shape, and empty messages apart from absent ones', () => {
    const definitions = {
      a: {
        type: 'object',
        'x-list': [1, { b: null }],
        'x-text': 'y: |',
        properties: { c: {} },
        required: ['c'],
      },
      b: { type: 'array', items: { type: 'string' }, minimum: -1.5, maxLength: 300 },
      d: { additionalProperties: { $ref: '#/definitions/a' }, default: {}, enum: ['e', 2] },
    };
    assert.deepEqual(decodeOpenApiV2(encodeOpenApiV2({ definitions })), { definitions });
  });
});

/** proto3 does not tell false, zero, an empty text or an empty list from nothing. */
function withoutDefaults(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutDefaults);
  if (typeof value !== 'object' || value === null) return value;
  const free = (name: string) => name === 'default' || name.startsWith('x-');
  const isDefault = (part: unknown) =>
    part === false || part === 0 || part === '' || (Array.isArray(part) && part.length === 0);
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name, part]) => free(name) || !isDefault(part))
      .map(([name, part]) => [name, free(name) ? part : withoutDefaults(part)]),
  );
}
