import assert from 'node:assert/strict';
import { test } from 'node:test';
import { customResourceDefinitionKind as definitionKind } from '../../../../protocol/kinds/custom-resource-definition.ts';
import { eventually } from '../../../support/eventually.ts';
import { definitionOf, openExtensions } from '../extensions/extensions-fixture.ts';
import { type Json, openApi } from './api-fixture.ts';
import { WatchReader } from './watch-reader.ts';

async function open() {
  const parts = new AsyncDisposableStack();
  const fixture = parts.use(await openExtensions());
  const api = parts.use(await openApi({ kinds: fixture.extensions.kinds }, () => fixture.registry));
  return { fixture, api, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

const path = '/apis/example.com/v1/namespaces/default/gadgets';
const gadget = (spec: object) => ({
  apiVersion: 'example.com/v1',
  kind: 'Gadget',
  metadata: { name: 'one' },
  spec,
});

test('discovery and OpenAPI follow the kinds as they come and go', async () => {
  await using world = await open();
  const { api, fixture } = world;
  const get = async (at: string, accept = 'application/json') =>
    api.send('GET', at, { headers: { Accept: accept } });
  const aggregated = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
  const groups = async () =>
    (await get('/apis', aggregated)).json().items.map(({ metadata }: Json) => metadata.name);
  const before = (await get('/openapi/v3')).json().paths;
  assert.ok(!(await groups()).includes('example.com'));
  assert.equal((await get('/apis/example.com/v1')).code, 404);
  assert.equal((await get(path)).code, 404);
  await fixture.define(
    definitionOf(
      'Gadget',
      { type: 'object', properties: { size: { type: 'integer', description: 'How big.' } } },
      { shortNames: ['gg'], categories: ['all'] },
    ),
  );
  assert.ok((await groups()).includes('example.com'));
  const { resources } = (await get('/apis/example.com/v1')).json();
  assert.deepEqual(
    resources.map(({ name, kind, shortNames, categories }: Json) => ({ name, kind, shortNames, categories })),
    [
      { name: 'gadgets', kind: 'Gadget', shortNames: ['gg'], categories: ['all'] },
      { name: 'gadgets/status', kind: 'Gadget', shortNames: undefined, categories: undefined },
    ],
  );
  const paths = (await get('/openapi/v3')).json().paths;
  assert.deepEqual(paths['apis/apps/v1'], before['apis/apps/v1'], 'the others stay as they are');
  const document = (await get(paths['apis/example.com/v1'].serverRelativeURL)).json();
  const schema = document.components.schemas['com.example.v1.Gadget'];
  assert.equal(schema.properties.spec.properties.size.description, 'How big.');
  assert.deepEqual(schema['x-kubernetes-group-version-kind'], [
    { group: 'example.com', version: 'v1', kind: 'Gadget' },
  ]);
  assert.ok((await get('/openapi/v2')).json().definitions['com.example.v1.Gadget']);
  await fixture.registry.delete(definitionKind, { name: 'gadgets.example.com' });
  await fixture.gone(definitionKind, 'gadgets.example.com');
  await eventually(() => fixture.kind('Gadget') === undefined, 'the kind is served no more');
  assert.equal((await get(path)).code, 404);
  assert.ok(!(await groups()).includes('example.com'));
  assert.ok(!('apis/example.com/v1' in (await get('/openapi/v3')).json().paths));
});

test('unknown fields are dropped, warned of or refused as the client asks', async () => {
  await using world = await open();
  const { api, fixture } = world;
  await fixture.define(definitionOf('Gadget', { type: 'object', properties: { size: { type: 'integer' } } }));
  const body = { ...gadget({ odd: 1 }), metadata: { name: 'one', colour: 'red' } };
  const strict = await api.send('POST', `${path}?fieldValidation=Strict`, { body });
  assert.equal(strict.code, 400);
  assert.equal(
    strict.json().message,
    'Gadget in version "v1" cannot be handled as a Gadget: strict decoding error: unknown field "metadata.colour", unknown field "spec.odd"',
  );
  const warned = await api.send('POST', path, { body });
  assert.equal(warned.code, 201);
  assert.match(String(warned.headers['warning']), /unknown field \\"spec\.odd\\"/);
  assert.deepEqual(warned.json().spec, {});
  const mistyped = await api.send('POST', path, { body: { ...body, metadata: { name: 5 } } });
  assert.equal(mistyped.code, 400);
  assert.match(
    mistyped.json().message,
    /cannot unmarshal number into Go struct field ObjectMeta\.metadata\.name of type string/,
  );
});

test('patches: merge and JSON work, a strategic one is not to be had', async () => {
  await using world = await open();
  const { api, fixture } = world;
  await fixture.define(
    definitionOf('Gadget', { type: 'object', properties: { size: { type: 'integer', default: 3 } } }),
  );
  await api.create(path, gadget({}));
  const patch = (kind: string, body: unknown) =>
    api.send('PATCH', `${path}/one`, { body, contentType: `application/${kind}-patch+json` });
  assert.equal((await patch('merge', { spec: { size: 4 } })).json().spec.size, 4);
  assert.equal((await patch('json', [{ op: 'replace', path: '/spec/size', value: 5 }])).json().spec.size, 5);
  assert.equal((await patch('merge', { spec: { size: 'x' } })).code, 422);
  const strategic = await patch('strategic-merge', { spec: { size: 6 } });
  assert.equal(strategic.code, 415);
  assert.match(
    strategic.json().message,
    /json-patch\+json, application\/merge-patch\+json, application\/apply-patch\+yaml$/,
  );
});

test('two appliers own the items of a keyed list one by one', async () => {
  await using world = await open();
  const { api, fixture } = world;
  const item = {
    type: 'object',
    required: ['name'],
    properties: { name: { type: 'string' }, size: { type: 'integer' } },
  };
  const list = {
    type: 'array',
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['name'],
    items: item,
  };
  await fixture.define(definitionOf('Gadget', { type: 'object', properties: { list } }));
  const apply = (manager: string, spec: object) =>
    api.send('PATCH', `${path}/one?fieldManager=${manager}`, {
      body: gadget(spec),
      contentType: 'application/apply-patch+yaml',
    });
  assert.equal((await apply('anna', { list: [{ name: 'a', size: 1 }] })).code, 201);
  assert.equal((await apply('bert', { list: [{ name: 'b', size: 2 }] })).code, 200);
  const gone = await apply('anna', { list: [] });
  assert.deepEqual(gone.json().spec, { list: [{ name: 'b', size: 2 }] });
  assert.equal((await apply('anna', { list: [{ name: 'b', size: 3 }] })).code, 409);
});

test('a watch ends when the definition of its kind changes', async () => {
  await using world = await open();
  const { api, fixture } = world;
  await fixture.define(definitionOf('Gadget'));
  const watch = await WatchReader.open(api, `${path}?watch=true`);
  await api.create(path, gadget({}));
  assert.equal((await watch.read(1))[0].type, 'ADDED');
  await fixture.registry.mutate(definitionKind, { name: 'gadgets.example.com' }, (draft) => {
    draft.spec.names.shortNames = ['gg'];
  });
  await watch.untilEnd();
  assert.ok(watch.complete);
});
