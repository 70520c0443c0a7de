import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { type ApiFixture, openApi } from './api-fixture.ts';
import { sampleConfigMap, sampleDeployment, samplePod } from './sample-objects.ts';

const configMaps = '/api/v1/namespaces/default/configmaps';
const deployments = '/apis/apps/v1/namespaces/default/deployments';
const pods = '/api/v1/namespaces/default/pods';

describe('verbs', () => {
  let api: ApiFixture;
  before(async () => {
    api = await openApi();
  });
  after(() => api[Symbol.asyncDispose]());

  async function refusal(method: string, path: string, options = {}) {
    const answer = await api.send(method, path, options);
    const { kind, code, reason, message } = answer.json();
    assert.equal(kind, 'Status');
    assert.equal(answer.code, code);
    return { code, reason, message };
  }

  test('an object that was created reads back, with kind and apiVersion first', async () => {
    const created = await api.send('POST', configMaps, {
      body: { metadata: { name: 'one' }, data: { a: 'b' } },
    });
    assert.equal(created.code, 201);
    assert.deepEqual(Object.keys(created.json()).slice(0, 2).sort(), ['apiVersion', 'kind']);
    const read = await api.send('GET', `${configMaps}/one`);
    assert.deepEqual(read.json(), created.json());
    assert.equal(read.json().metadata.namespace, 'default');
  });

  test('YAML is taken and given', async () => {
    const body =
      'kind: ConfigMap\napiVersion: v1\nmetadata:\n  name: yaml\ndata:\n  day: "2026-01-01"\n  mode: "0644"\n';
    const options = { body, contentType: 'application/yaml', headers: { Accept: 'application/yaml' } };
    const answer = await api.send('POST', configMaps, options);
    assert.equal(answer.code, 201);
    assert.equal(answer.headers['content-type'], 'application/yaml');
    assert.match(answer.text, /^kind: ConfigMap$/m);
    const stored = (await api.send('GET', `${configMaps}/yaml`)).json();
    assert.deepEqual(stored.data, { day: '2026-01-01', mode: '0644' });
  });

  test("failures have Kubernetes' status, reason and words", async () => {
    await api.create(configMaps, sampleConfigMap('taken'));
    const found = {
      missing: await refusal('GET', `${configMaps}/missing`),
      taken: await refusal('POST', configMaps, { body: sampleConfigMap('taken') }),
      unknownPath: await refusal('GET', '/api/v1/namespaces/default/widgets'),
      otherKind: await refusal('POST', configMaps, { body: samplePod('p') }),
      otherVersion: await refusal('POST', configMaps, { body: sampleDeployment('d') }),
      otherNamespace: await refusal('POST', configMaps, {
        body: { metadata: { name: 'a', namespace: 'b' } },
      }),
      otherName: await refusal('PUT', `${configMaps}/taken`, { body: sampleConfigMap('else') }),
      method: await refusal('POST', `${configMaps}/taken`, { body: {} }),
      noNamespace: await refusal('POST', '/api/v1/configmaps', { body: sampleConfigMap('x') }),
    };
    assert.deepEqual(found, {
      missing: { code: 404, reason: 'NotFound', message: 'configmaps "missing" not found' },
      taken: { code: 409, reason: 'AlreadyExists', message: 'configmaps "taken" already exists' },
      unknownPath: {
        code: 404,
        reason: 'NotFound',
        message: 'the server could not find the requested resource',
      },
      otherKind: {
        code: 400,
        reason: 'BadRequest',
        message: 'Pod in version "v1" cannot be handled as a ConfigMap: the kind does not match the path',
      },
      otherVersion: {
        code: 400,
        reason: 'BadRequest',
        message: 'the API version in the data (apps/v1) does not match the expected API version (v1)',
      },
      otherNamespace: {
        code: 400,
        reason: 'BadRequest',
        message: 'the namespace of the provided object does not match the namespace sent on the request',
      },
      otherName: {
        code: 400,
        reason: 'BadRequest',
        message: 'the name of the object (else) does not match the name on the URL (taken)',
      },
      method: {
        code: 405,
        reason: 'MethodNotAllowed',
        message: 'the server does not allow this method on the requested resource',
      },
      noNamespace: {
        code: 405,
        reason: 'MethodNotAllowed',
        message: 'the server does not allow this method on the requested resource',
      },
    });
  });

  test('fieldValidation decides what an unknown or repeated field does', async () => {
    const body = '{"metadata":{"name":"typo"},"data":{},"dota":{},"spec":1,"data":{}}';
    const post = (mode: string) => refusal('POST', `${configMaps}?fieldValidation=${mode}`, { body });
    assert.equal(
      (await post('Strict')).message,
      'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: duplicate field "data", unknown field "dota", unknown field "spec"',
    );
    assert.equal((await post('Sometimes')).code, 422);
    const warned = await api.send('POST', `${configMaps}?fieldValidation=Warn&dryRun=All`, { body });
    assert.equal(warned.code, 201);
    assert.equal(
      warned.headers.warning,
      String.raw`299 - "duplicate field \"data\"", 299 - "unknown field \"dota\"", 299 - "unknown field \"spec\""`,
    );
    const ignored = await api.send('POST', `${configMaps}?fieldValidation=Ignore&dryRun=All`, { body });
    assert.equal(ignored.headers.warning, undefined);
    assert.equal(ignored.json().dota, undefined);
  });

  test('a dry run answers like the write and changes nothing', async () => {
    await api.create(configMaps, sampleConfigMap('dry', { a: '1' }));
    const before = (await api.send('GET', `${configMaps}/dry`)).json();
    const query = '?dryRun=All';
    const body = sampleConfigMap('dry', { a: '2' });
    const merge = { contentType: 'application/merge-patch+json', body: { data: { a: '3' } } };
    assert.equal((await api.send('PUT', `${configMaps}/dry${query}`, { body })).json().data.a, '2');
    assert.equal((await api.send('PATCH', `${configMaps}/dry${query}`, merge)).json().data.a, '3');
    assert.equal((await api.send('DELETE', `${configMaps}/dry${query}`)).code, 200);
    assert.equal((await api.send('DELETE', `${configMaps}/dry`, { body: { dryRun: ['All'] } })).code, 200);
    assert.equal((await api.send('DELETE', `${configMaps}${query}`)).code, 200);
    assert.equal(
      (await api.send('POST', `${configMaps}${query}`, { body: sampleConfigMap('dry2') })).code,
      201,
    );
    assert.equal((await api.send('GET', `${configMaps}/dry2`)).code, 404);
    assert.deepEqual((await api.send('GET', `${configMaps}/dry`)).json(), before);
    assert.equal((await refusal('DELETE', `${configMaps}/dry?dryRun=Some`)).code, 422);
  });

  test('an update with an old resourceVersion is a conflict, without one it is not', async () => {
    const object = await api.create(configMaps, sampleConfigMap('versioned'));
    const first = { ...object, data: { a: '1' } };
    assert.equal((await api.send('PUT', `${configMaps}/versioned`, { body: first })).code, 200);
    assert.equal((await refusal('PUT', `${configMaps}/versioned`, { body: first })).reason, 'Conflict');
    assert.equal(
      (await api.send('PUT', `${configMaps}/versioned`, { body: sampleConfigMap('versioned') })).code,
      200,
    );
    const stale = {
      contentType: 'application/merge-patch+json',
      body: { metadata: { resourceVersion: object.metadata?.resourceVersion }, data: { b: '1' } },
    };
    assert.equal((await refusal('PATCH', `${configMaps}/versioned`, stale)).reason, 'Conflict');
  });

  test('a patch changes what it names, may not rename, and is checked like an object', async () => {
    await api.create(configMaps, sampleConfigMap('patched', { a: '1', b: '2' }));
    const patch = (body: unknown, query = '', type = 'merge-patch+json') =>
      api.send('PATCH', `${configMaps}/patched${query}`, { contentType: `application/${type}`, body });
    assert.deepEqual((await patch({ data: { a: null, c: '3' } })).json().data, { b: '2', c: '3' });
    const renamed = await patch({ metadata: { name: 'other' } });
    assert.equal(renamed.code, 400);
    const strict = await patch({ dota: {} }, '?fieldValidation=Strict');
    assert.equal(strict.code, 422);
    assert.match(
      strict.json().message,
      /^ "" is invalid: patch: Invalid value: .*: strict decoding error: unknown field "dota"$/,
    );
    assert.equal((await patch({ data: { a: 1 } })).code, 400);
    assert.equal((await patch([])).code, 400);
    assert.equal((await patch({}, '', 'json-patch+json')).code, 400);
    assert.equal((await patch('{"a":', '')).code, 400);
    assert.equal((await patch({}, '', 'json')).code, 415);
    assert.equal(
      (
        await refusal('PATCH', `${configMaps}/nope`, {
          contentType: 'application/merge-patch+json',
          body: {},
        })
      ).code,
      404,
    );
  });

  test('a deleted object is answered by a Status, one that stays by itself', async () => {
    const object = await api.create(configMaps, sampleConfigMap('gone'));
    const answer = await api.send('DELETE', `${configMaps}/gone`);
    assert.deepEqual(answer.json().status, 'Success');
    assert.deepEqual(answer.json().details, { name: 'gone', kind: 'configmaps', uid: object.metadata?.uid });
    const held = { ...sampleConfigMap('held'), metadata: { name: 'held', finalizers: ['example.dev/hold'] } };
    await api.create(configMaps, held);
    const staying = (await api.send('DELETE', `${configMaps}/held`)).json();
    assert.equal(staying.kind, 'ConfigMap');
    assert.ok(staying.metadata.deletionTimestamp);
  });

  test('delete options count from the body and from the query', async () => {
    const object = await api.create(configMaps, sampleConfigMap('kept'));
    const wrong = { body: { kind: 'DeleteOptions', apiVersion: 'v1', preconditions: { uid: 'another' } } };
    assert.equal((await refusal('DELETE', `${configMaps}/kept`, wrong)).reason, 'Conflict');
    assert.equal((await refusal('DELETE', `${configMaps}/kept?propagationPolicy=Never`)).code, 422);
    assert.equal((await refusal('DELETE', `${configMaps}/kept?gracePeriodSeconds=soon`)).code, 400);
    assert.equal((await refusal('DELETE', `${configMaps}/kept`, { body: { kind: 'Pod' } })).code, 400);
    const orphaned = await api.send('DELETE', `${configMaps}/kept?propagationPolicy=Orphan`);
    assert.deepEqual(orphaned.json().metadata.finalizers, ['orphan']);
    assert.equal(orphaned.json().metadata.uid, object.metadata?.uid);
  });

  test('deletecollection takes what the selector matches and nothing else', async () => {
    for (const name of ['c1', 'c2', 'c3'])
      await api.create(configMaps, { metadata: { name, labels: { take: String(name !== 'c2') } } });
    const answer = await api.send('DELETE', `${configMaps}?labelSelector=take%3Dtrue`);
    assert.deepEqual(
      answer.json().items.map(({ metadata }: { metadata: { name: string } }) => metadata.name),
      ['c1', 'c3'],
    );
    assert.equal((await api.send('GET', `${configMaps}/c2`)).code, 200);
    assert.equal((await api.send('GET', `${configMaps}/c1`)).code, 404);
  });

  test('scale reads and sets replicas alone', async () => {
    await api.create(deployments, sampleDeployment('scaled'));
    const scale = (await api.send('GET', `${deployments}/scaled/scale`)).json();
    assert.equal(scale.kind, 'Scale');
    assert.deepEqual([scale.spec.replicas, scale.status.selector], [2, 'app=scaled']);
    const put = await api.send('PUT', `${deployments}/scaled/scale`, {
      body: { ...scale, spec: { replicas: 7 } },
    });
    assert.equal(put.json().spec.replicas, 7);
    const stale = await api.send('PUT', `${deployments}/scaled/scale`, {
      body: { ...scale, spec: { replicas: 8 } },
    });
    assert.equal(stale.code, 409);
    const merge = { contentType: 'application/merge-patch+json', body: { spec: { replicas: 3 } } };
    assert.equal((await api.send('PATCH', `${deployments}/scaled/scale`, merge)).json().spec.replicas, 3);
    assert.equal((await api.send('GET', `${deployments}/scaled`)).json().spec.replicas, 3);
    const negative = await refusal('PUT', `${deployments}/scaled/scale`, {
      body: { spec: { replicas: -1 } },
    });
    assert.equal(negative.code, 422);
  });

  test('status is written through its subresource, and only there', async () => {
    const deployment = await api.create(deployments, sampleDeployment('told'));
    const told = { ...deployment, status: { observedGeneration: 1, replicas: 2 } };
    assert.equal(
      (await api.send('PUT', `${deployments}/told`, { body: told })).json().status?.replicas,
      undefined,
    );
    assert.equal(
      (await api.send('PUT', `${deployments}/told/status`, { body: told })).json().status.replicas,
      2,
    );
    const patch = {
      contentType: 'application/merge-patch+json',
      body: { spec: { replicas: 9 }, status: { replicas: 1 } },
    };
    const patched = (await api.send('PATCH', `${deployments}/told/status`, patch)).json();
    assert.deepEqual([patched.spec.replicas, patched.status.replicas], [2, 1]);
  });

  test('a pod is bound once, and evicted', async () => {
    await api.create(pods, samplePod('bound'));
    const body = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name: 'bound' },
      target: { kind: 'Node', name: 'n1' },
    };
    const first = await api.send('POST', `${pods}/bound/binding`, { body });
    assert.deepEqual([first.code, first.json().status], [201, 'Success']);
    assert.equal((await api.send('GET', `${pods}/bound`)).json().spec.nodeName, 'n1');
    assert.equal((await refusal('POST', `${pods}/bound/binding`, { body })).reason, 'Conflict');
    const eviction = { body: { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'bound' } } };
    assert.equal((await api.send('POST', `${pods}/bound/eviction`, eviction)).code, 201);
    assert.ok((await api.send('GET', `${pods}/bound`)).json().metadata.deletionTimestamp);
  });

  test('a namespace is finalised through its subresource', async () => {
    await api.create('/api/v1/namespaces', { metadata: { name: 'brief' } });
    const terminating = (await api.send('DELETE', '/api/v1/namespaces/brief')).json();
    assert.equal(terminating.status.phase, 'Terminating');
    const body = { ...terminating, spec: { finalizers: [] } };
    assert.equal((await api.send('PUT', '/api/v1/namespaces/brief/finalize', { body })).code, 200);
    assert.equal((await api.send('GET', '/api/v1/namespaces/brief')).code, 404);
  });

  test('pretty is for who asks and for curl', async () => {
    const lines = async (path: string, headers = {}) =>
      (await api.send('GET', path, { headers })).text.split('\n').length;
    assert.equal(await lines('/version?pretty=false'), 2);
    assert.ok((await lines(`${configMaps}?pretty=true`)) > 5);
    assert.ok((await lines('/api/v1/namespaces/default', { 'User-Agent': 'curl/8' })) > 5);
  });
});

test('a large list is the same in one piece, in pages, and compressed', async () => {
  await using api = await openApi();
  const filler = 'x'.repeat(2_000);
  for (let at = 0; at < 120; at++)
    await api.create(configMaps, sampleConfigMap(`map-${String(at).padStart(3, '0')}`, { filler }));
  const whole = (await api.send('GET', configMaps)).json();
  assert.equal(whole.items.length, 120);
  assert.deepEqual([whole.kind, whole.apiVersion, whole.items[0].kind], ['ConfigMapList', 'v1', undefined]);
  const packed = await api.send('GET', configMaps, { headers: { 'Accept-Encoding': 'gzip' } });
  assert.equal(packed.headers['content-encoding'], 'gzip');
  assert.ok(packed.bytes.length < 60_000);
  assert.deepEqual(JSON.parse(gunzipSync(packed.bytes).toString()), whole);
  const paged: unknown[] = [];
  for (let token: string | undefined = ''; token !== undefined; ) {
    const page = (
      await api.send('GET', `${configMaps}?limit=50&continue=${encodeURIComponent(token)}`)
    ).json();
    assert.equal(page.metadata.resourceVersion, whole.metadata.resourceVersion);
    paged.push(...page.items);
    token = page.metadata.continue;
  }
  assert.deepEqual(paged, whole.items);
});
