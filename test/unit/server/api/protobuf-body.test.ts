import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import * as fc from 'fast-check';
import { messageTable } from '../../../../protocol/protobuf/message-table.ts';
import {
  encodeMessage,
  envelope,
  lengthDelimited,
  textField,
} from '../../protocol/protobuf/encode-protobuf.ts';
import { kubectlBodies } from '../../protocol/protobuf/kubectl-bodies.ts';
import { type ApiFixture, openApi } from './api-fixture.ts';
import { samplePod } from './sample-objects.ts';

const contentType = 'application/vnd.kubernetes.protobuf';
const accept = `${contentType},application/json`;
const core = 'io.k8s.api.core.v1';

describe('a body in protobuf', () => {
  let api: ApiFixture;
  before(async () => {
    api = await openApi();
  });
  after(() => api[Symbol.asyncDispose]());

  function send(method: string, path: string, body: Buffer) {
    return api.send(method, path, { body, contentType, headers: { Accept: accept } });
  }

  function objectBody(schema: string, type: { apiVersion: string; kind: string }, object: object): Buffer {
    return envelope(type, encodeMessage(messageTable, schema, object as Record<string, unknown>));
  }

  const configMap = (object: object) =>
    objectBody(`${core}.ConfigMap`, { apiVersion: 'v1', kind: 'ConfigMap' }, object);
  const path = '/api/v1/namespaces/default/configmaps';

  test('creates what its JSON would, and is answered in JSON', async () => {
    const object = { metadata: { name: 'same' }, data: { a: 'b' }, binaryData: { raw: 'AP/+' } };
    const answer = await send('POST', path, configMap(object));
    assert.equal(answer.code, 201);
    assert.equal(answer.headers['content-type'], 'application/json');
    const { kind, data, binaryData } = answer.json();
    assert.deepEqual(
      { kind, data, binaryData },
      { kind: 'ConfigMap', data: { a: 'b' }, binaryData: { raw: 'AP/+' } },
    );
  });

  test('of kubectl itself gets the same defaults as JSON', async () => {
    const base64 = kubectlBodies.find(({ type }) => type.kind === 'Deployment')?.base64 ?? '';
    const object = kubectlBodies.find(({ type }) => type.kind === 'Deployment')?.object ?? {};
    const deployments = '/apis/apps/v1/namespaces/default/deployments?dryRun=All';
    const protobuf = await send('POST', deployments, Buffer.from(base64, 'base64'));
    const json = await api.send('POST', deployments, { body: object });
    assert.deepEqual(protobuf.json().spec, json.json().spec);
    assert.equal(protobuf.json().spec.replicas, 0);
  });

  test('replaces, deletes with options, evicts and scales like JSON', async () => {
    await api.create(path, { metadata: { name: 'whole' } });
    const replaced = await send(
      'PUT',
      `${path}/whole`,
      configMap({ metadata: { name: 'whole' }, data: { x: 'y' } }),
    );
    assert.deepEqual(replaced.json().data, { x: 'y' });
    const options = (object: object) =>
      objectBody(
        'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions',
        { apiVersion: 'v1', kind: 'DeleteOptions' },
        object,
      );
    const wrongUid = await send('DELETE', `${path}/whole`, options({ preconditions: { uid: 'other' } }));
    assert.equal(wrongUid.code, 409);
    assert.equal((await send('DELETE', `${path}/whole`, options({ dryRun: ['All'] }))).code, 200);
    assert.equal((await send('DELETE', `${path}/whole`, options({}))).code, 200);
    assert.equal((await api.send('GET', `${path}/whole`)).code, 404);

    const pods = '/api/v1/namespaces/default/pods';
    await api.create(pods, samplePod('evicted'));
    const evict = objectBody(
      'io.k8s.api.policy.v1.Eviction',
      { apiVersion: 'policy/v1', kind: 'Eviction' },
      { metadata: { name: 'evicted' }, deleteOptions: { gracePeriodSeconds: 0 } },
    );
    assert.equal((await send('POST', `${pods}/evicted/eviction`, evict)).code, 201);
    assert.equal((await api.send('GET', `${pods}/evicted`)).code, 404);
  });

  test('of another kind or version than the path is refused by its name', async () => {
    const namespace = Buffer.from(kubectlBodies[0]?.base64 ?? '', 'base64');
    const answer = await send('POST', path, namespace);
    assert.equal(answer.code, 400);
    assert.match(answer.json().message, /Namespace in version "v1" cannot be handled as a ConfigMap/);
    const old = envelope({ apiVersion: 'v1beta1', kind: 'ConfigMap' }, Buffer.alloc(0));
    assert.match((await send('POST', path, old)).json().message, /API version in the data \(v1beta1\)/);
  });

  test('is validated like any other', async () => {
    const answer = await send('POST', path, configMap({ metadata: { name: 'Not_A_Name' } }));
    assert.equal(answer.code, 422);
    assert.match(answer.json().message, /^ConfigMap "Not_A_Name" is invalid: metadata\.name: Invalid value/);
  });

  test('that is none is 400, whatever it holds', async () => {
    const proto = lengthDelimited(2, Buffer.concat([textField(1, '__proto__'), textField(2, 'x')]));
    const bodies = [
      Buffer.from('{"metadata":{"name":"json"}}'),
      Buffer.from('k8s\0\xff\xff\xff', 'latin1'),
      configMap({ metadata: { name: 'cut' } }).subarray(0, 28),
      envelope({ apiVersion: 'v1', kind: 'ConfigMap' }, proto),
      ...fc
        .sample(fc.uint8Array({ minLength: 1, maxLength: 200 }), 100)
        .map((bytes) => envelope({}, Buffer.concat([Buffer.from([0x0a, 0xff, 0x7f]), bytes]))),
    ];
    for (const body of bodies) {
      const answer = await send('POST', path, body);
      assert.equal(answer.code, 400, body.toString('hex'));
      assert.equal(answer.json().reason, 'BadRequest');
    }
    assert.equal((await api.send('GET', '/livez')).text, 'ok');
    assert.equal(Object.hasOwn(Object.prototype, 'x'), false);
  });

  test('is not a patch, and a kind that is not served is still not found', async () => {
    assert.equal((await send('PATCH', `${path}/same`, configMap({}))).code, 415);
    assert.equal(
      (await send('POST', '/apis/example.com/v1/namespaces/default/widgets', configMap({}))).code,
      404,
    );
  });
});
