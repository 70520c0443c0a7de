import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { deploymentKind } from '../../../../protocol/kinds/deployment.ts';
import { podKind } from '../../../../protocol/kinds/pod.ts';
import { type ApiFixture, type Json, openApi } from './api-fixture.ts';
import { sampleConfigMap, sampleDeployment } from './sample-objects.ts';

const configMaps = '/api/v1/namespaces/default/configmaps';
const deployments = '/apis/apps/v1/namespaces/default/deployments';
const pods = '/api/v1/namespaces/default/pods';

interface ApplyOptions {
  path?: string;
  query?: string;
  token?: string;
}

describe('server-side apply', () => {
  let api: ApiFixture;
  before(async () => {
    api = await openApi();
  });
  after(() => api[Symbol.asyncDispose]());

  function apply(manager: string, config: object | string, options: ApplyOptions = {}) {
    const { path, query = '', token } = options;
    const { metadata } = (typeof config === 'string' ? {} : config) as Json;
    const at = path ?? `${configMaps}/${metadata?.name}`;
    return api.send('PATCH', `${at}?fieldManager=${manager}${query}`, {
      contentType: 'application/apply-patch+yaml',
      body: config,
      ...(token === undefined ? {} : { token }),
    });
  }

  const map = (name: string, data: object, metadata: object = {}) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, ...metadata },
    data,
  });

  async function read(path: string): Promise<Json> {
    return (await api.send('GET', path)).json();
  }

  function managers(object: Json): string[] {
    return (object.metadata.managedFields ?? []).map(
      (entry: Json) =>
        `${entry.manager} ${entry.operation}${entry.subresource ? ` ${entry.subresource}` : ''}`,
    );
  }

  test('makes what is not there (201), changes what is (200), from JSON and from YAML', async () => {
    const made = await apply('a', map('made', { x: '1' }));
    assert.equal(made.code, 201);
    assert.deepEqual(made.json().metadata.managedFields, [
      {
        manager: 'a',
        operation: 'Apply',
        apiVersion: 'v1',
        time: made.json().metadata.creationTimestamp,
        fieldsType: 'FieldsV1',
        fieldsV1: { 'f:data': { 'f:x': {} } },
      },
    ]);
    const yaml = 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: made\ndata:\n  z: "2"\n';
    const changed = await apply('a', yaml, { path: `${configMaps}/made` });
    assert.equal(changed.code, 200);
    assert.deepEqual(changed.json().data, { z: '2' });
  });

  test('that changes nothing writes nothing', async () => {
    const first = (await apply('a', map('same', { x: '1' }))).json();
    const again = (await apply('a', map('same', { x: '1' }))).json();
    assert.deepEqual(again, first);
  });

  test('with dryRun writes nothing, neither a new object nor a change', async () => {
    assert.equal((await apply('a', map('dry', {}), { query: '&dryRun=All' })).code, 201);
    assert.equal((await api.send('GET', `${configMaps}/dry`)).code, 404);
    const before = (await apply('a', map('wet', { x: '1' }))).json();
    const dry = await apply('a', map('wet', { x: '2' }), { query: '&dryRun=All' });
    assert.deepEqual(dry.json().data, { x: '2' });
    assert.deepEqual(await read(`${configMaps}/wet`), before);
  });

  test("refuses to change what another set, in Kubernetes' words, unless forced", async () => {
    await apply('a', map('shared', { x: '1' }));
    const refused = await apply('b', map('shared', { x: '2', y: '3' }));
    assert.equal(refused.code, 409);
    const { reason, message, details } = refused.json();
    assert.equal(reason, 'Conflict');
    assert.equal(message, 'Apply failed with 1 conflict: conflict with "a": .data.x');
    assert.deepEqual(details.causes, [
      { reason: 'FieldManagerConflict', field: '.data.x', message: 'conflict with "a"' },
    ]);
    const forced = await apply('b', map('shared', { x: '2', y: '3' }), { query: '&force=true' });
    assert.deepEqual(forced.json().data, { x: '2', y: '3' });
    assert.deepEqual(managers(forced.json()), ['b Apply']);
  });

  test('is meant for the version and the object that it names', async () => {
    const { metadata } = (await apply('a', map('versioned', { x: '1' }))).json();
    const { resourceVersion, uid } = metadata;
    const at = (extra: object) => apply('a', map('versioned', { x: '2' }, extra));
    assert.equal((await at({ resourceVersion: '1' })).code, 409);
    assert.match((await at({ uid: 'other' })).json().message, /Precondition failed: UID in precondition/);
    assert.equal((await at({ resourceVersion, uid })).code, 200);
    const gone = await apply('a', map('unborn', {}, { uid }));
    assert.equal(gone.code, 409);
    assert.match(gone.json().message, /uid mismatch: .* no existing object was found$/);
  });

  test('must say who applies, what, and each item once', async () => {
    const refusal = async (answer: ReturnType<typeof apply>) => {
      const { code, message } = (await answer).json();
      return `${code} ${message}`;
    };
    assert.match(
      await refusal(apply('', map('a', {}))),
      /^422 .*fieldManager: Required value: is required for apply/,
    );
    assert.match(await refusal(apply('x'.repeat(129), map('a', {}))), /^422 .*fieldManager: Too long/);
    assert.match(
      await refusal(apply('a%07', map('a', {}))),
      /^422 .*fieldManager: .*invalid character U\+0007/,
    );
    assert.match(
      await refusal(apply('a', map('a', {}, { managedFields: [] }))),
      /^400 metadata\.managedFields must be nil/,
    );
    assert.match(await refusal(apply('a', '[]', { path: `${configMaps}/a` })), /^400 /);
    assert.match(
      await refusal(apply('a', 'a: b', { path: `${configMaps}/a` })),
      /^400 Object 'Kind' is missing/,
    );
    assert.match(
      await refusal(apply('a', { ...map('a', {}), kind: 'Secret' })),
      /^400 invalid object type: v1, Kind=Secret$/,
    );
    assert.match(
      await refusal(apply('a', { ...map('a', {}), dota: {} })),
      /^400 failed to create typed patch object \(default\/a; v1, Kind=ConfigMap\): \.dota: field not declared in schema$/,
    );
    const twice = sampleDeployment('twice') as Json;
    twice.apiVersion = 'apps/v1';
    twice.kind = 'Deployment';
    twice.spec.template.spec.containers.push(twice.spec.template.spec.containers[0]);
    assert.match(
      await refusal(apply('a', twice, { path: `${deployments}/twice` })),
      /^400 .*: \.spec\.template\.spec\.containers: duplicate entries for key \[name="/,
    );
    const merge = await api.send('PATCH', `${configMaps}/a?force=true`, {
      contentType: 'application/merge-patch+json',
      body: {},
    });
    assert.match(merge.json().message, /force: Forbidden: may not be specified for non-apply patch/);
  });

  test('makes nothing for who may only patch', async () => {
    const rbac = '/apis/rbac.authorization.k8s.io/v1/namespaces/default';
    const apiGroup = 'rbac.authorization.k8s.io';
    await api.createSeen(`${rbac}/roles`, {
      metadata: { name: 'patcher' },
      rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: ['patch'] }],
    });
    await api.createSeen(`${rbac}/rolebindings`, {
      metadata: { name: 'patcher' },
      roleRef: { apiGroup, kind: 'Role', name: 'patcher' },
      subjects: [{ apiGroup, kind: 'User', name: 'dev' }],
    });
    const refused = await apply('a', map('sneaked', {}), { token: 'dev-token' });
    assert.equal(refused.code, 403);
    assert.match(refused.json().message, /User "dev" cannot create resource "configmaps"/);
    await apply('a', map('open', { x: '1' }));
    assert.equal((await apply('a', map('open', { x: '2' }), { token: 'dev-token' })).code, 200);
  });

  test('takes over from kubectl apply what that applied, and keeps its annotation true', async () => {
    const key = 'kubectl.kubernetes.io/last-applied-configuration';
    const applied = map('taken-over', { x: '1', y: '1' });
    const body = {
      ...applied,
      metadata: { ...applied.metadata, annotations: { [key]: JSON.stringify(applied) } },
    };
    await api.send('POST', `${configMaps}?fieldManager=kubectl-client-side-apply`, { body });
    const other = await apply('someone', map('taken-over', { x: '2' }));
    assert.match(other.json().message, /conflict with "kubectl-client-side-apply" using v1: \.data\.x$/);
    const taken = (await apply('kubectl', map('taken-over', { x: '2' }))).json();
    assert.deepEqual(taken.data, { x: '2', y: '1' });
    assert.deepEqual(JSON.parse(taken.metadata.annotations[key]).data, { x: '2' });
  });

  test('reaches the status through its own door only, and the scale', async () => {
    const config = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'doors' } };
    const { spec } = sampleDeployment('doors') as Json;
    const status = { conditions: [{ type: 'example.dev/ok', status: 'True' }] };
    const at = `${deployments}/doors`;
    const made = (await apply('a', { ...config, spec, status }, { path: at })).json();
    assert.equal(made.status.conditions, undefined);
    const reported = await apply('b', { ...config, spec: { replicas: 9 }, status }, { path: `${at}/status` });
    assert.deepEqual(reported.json().status.conditions, status.conditions);
    assert.deepEqual(reported.json().spec, made.spec);
    assert.deepEqual(managers(reported.json()).sort(), ['a Apply', 'b Apply status']);
    const scale = {
      apiVersion: 'autoscaling/v1',
      kind: 'Scale',
      metadata: { name: 'doors' },
      spec: { replicas: 7 },
    };
    const refused = await apply('c', scale, { path: `${at}/scale` });
    assert.match(refused.json().message, /conflict with "a": \.spec\.replicas$/);
    const forced = await apply('c', scale, { path: `${at}/scale`, query: '&force=true' });
    assert.equal(forced.json().spec.replicas, 7);
    assert.deepEqual(managers(await read(at)).sort(), ['a Apply', 'b Apply status', 'c Apply scale']);
  });
});

describe('managedFields', () => {
  let api: ApiFixture;
  before(async () => {
    api = await openApi();
  });
  after(() => api[Symbol.asyncDispose]());

  function entries(object: Json): Record<string, Json> {
    return Object.fromEntries(
      (object.metadata.managedFields ?? []).map((entry: Json) => [
        [entry.manager, entry.operation, entry.subresource].filter(Boolean).join(' '),
        entry.fieldsV1,
      ]),
    );
  }

  const merge = (path: string, body: object) =>
    api.send('PATCH', path, { contentType: 'application/merge-patch+json', body });

  test('say who created what, by the name of the program unless it gives another', async () => {
    const post = (query: string, userAgent: string, name: string) =>
      api.send('POST', `${configMaps}${query}`, {
        body: { metadata: { name, labels: { l: '1' } }, data: { x: '1' } },
        headers: { 'User-Agent': userAgent },
      });
    const byAgent = (await post('', 'curl/8.1', 'by-agent')).json();
    assert.deepEqual(entries(byAgent), {
      'curl Update': {
        'f:metadata': { 'f:labels': { '.': {}, 'f:l': {} } },
        'f:data': { '.': {}, 'f:x': {} },
      },
    });
    const named = (await post('?fieldManager=me', 'curl/8.1', 'by-name')).json();
    assert.deepEqual(Object.keys(entries(named)), ['me Update']);
  });

  test('follow updates and patches: the last writer of a field owns it, who removes it nobody', async () => {
    const at = `${configMaps}/followed`;
    await api.send('POST', `${configMaps}?fieldManager=a`, {
      body: sampleConfigMap('followed', { x: '1', y: '1' }),
    });
    const patched = (await merge(`${at}?fieldManager=b`, { data: { x: '2', z: '3' } })).json();
    assert.deepEqual(entries(patched), {
      'a Update': { 'f:data': { '.': {}, 'f:y': {} } },
      'b Update': { 'f:data': { 'f:x': {}, 'f:z': {} } },
    });
    const { y: _, ...data } = patched.data;
    const replaced = await api.send('PUT', `${at}?fieldManager=c`, { body: { ...patched, data } });
    assert.deepEqual(entries(replaced.json()), {
      'a Update': { 'f:data': {} },
      'b Update': { 'f:data': { 'f:x': {}, 'f:z': {} } },
    });
  });

  test('survive a client that does not send them, can be written, and emptied', async () => {
    const at = `${configMaps}/written`;
    await api.send('POST', `${configMaps}?fieldManager=a`, { body: sampleConfigMap('written', { x: '1' }) });
    const { managedFields, ...metadata } = (await api.send('GET', at)).json().metadata;
    const put = await api.send('PUT', `${at}?fieldManager=a`, { body: { metadata, data: { x: '1' } } });
    assert.deepEqual(put.json().metadata.managedFields, managedFields);
    const renamed = [{ ...managedFields[0], manager: 'z' }];
    const written = (await merge(`${at}?fieldManager=b`, { metadata: { managedFields: renamed } })).json();
    assert.deepEqual(written.metadata.managedFields, renamed);
    const nonsense = [{ manager: 'z', operation: 'Steal', fieldsV1: { spec: {} } }];
    const kept = (await merge(`${at}?fieldManager=b`, { metadata: { managedFields: nonsense } })).json();
    assert.deepEqual(kept.metadata.managedFields, renamed);
    const emptied = (await merge(`${at}?fieldManager=b`, { metadata: { managedFields: [{}] } })).json();
    assert.equal(emptied.metadata.managedFields, undefined);
  });

  test('name the door: a scale is written through scale', async () => {
    await api.send('POST', `${deployments}?fieldManager=a`, { body: sampleDeployment('scaled') });
    await merge(`${deployments}/scaled/scale?fieldManager=hpa`, { spec: { replicas: 8 } });
    const found = entries((await api.send('GET', `${deployments}/scaled`)).json());
    assert.deepEqual(found['hpa Update scale'], { 'f:spec': { 'f:replicas': {} } });
    assert.equal(found['a Update']['f:spec']['f:replicas'], undefined);
  });

  test('keep the ten latest writers apart, older ones as one', async () => {
    const at = `${configMaps}/crowded`;
    await api.send('POST', `${configMaps}?fieldManager=w0`, {
      body: sampleConfigMap('crowded', { k0: '0' }),
    });
    for (let index = 1; index < 12; index += 1)
      await merge(`${at}?fieldManager=w${index}`, { data: { [`k${index}`]: '1' } });
    const found = entries((await api.send('GET', at)).json());
    assert.equal(Object.keys(found).length, 10);
    assert.ok(found['ancient-changes Update']['f:data']['f:k0']);
  });

  test('are not kept of what the server makes and reports, but of other fields it changes', async () => {
    const spec = { containers: [{ name: 'main', image: 'x' }] };
    const own = await api.registry.create(podKind, { metadata: { name: 'own', namespace: 'default' }, spec });
    assert.equal(own.metadata?.managedFields, undefined);
    assert.equal(
      (await merge(`${pods}/own`, { metadata: { labels: { a: 'b' } } })).json().metadata.managedFields,
      undefined,
    );

    const made = (
      await api.send('POST', `${deployments}?fieldManager=a`, { body: sampleDeployment('served') })
    ).json();
    const at = { name: 'served', namespace: 'default' };
    const reported = await api.registry.mutate(
      deploymentKind,
      at,
      (draft) => {
        draft.status = { replicas: 3 };
      },
      { subresource: 'status' },
    );
    assert.deepEqual(reported.metadata?.managedFields, made.metadata.managedFields);
    const noted = await api.registry.mutate(deploymentKind, at, (draft) => {
      (draft.metadata ??= {}).annotations = { 'deployment.kubernetes.io/revision': '1' };
    });
    assert.deepEqual(entries(noted)['kube-controller-manager Update'], {
      'f:metadata': { 'f:annotations': { '.': {}, 'f:deployment.kubernetes.io/revision': {} } },
    });
  });

  test('of an untracked object begin with the first apply: what was there belongs to before-first-apply', async () => {
    await api.registry.create(podKind, {
      metadata: { name: 'older', namespace: 'default' },
      spec: { containers: [{ name: 'main', image: 'x' }], hostname: 'h' },
    });
    const config = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'older', labels: { a: 'b' } } };
    const send = (more: object) =>
      api.send('PATCH', `${pods}/older?fieldManager=me`, {
        contentType: 'application/apply-patch+yaml',
        body: { ...config, ...more },
      });
    const refused = await send({ spec: { hostname: 'i' } });
    assert.match(refused.json().message, /conflict with "before-first-apply" using v1: \.spec\.hostname$/);
    const found = entries((await send({})).json());
    assert.deepEqual(Object.keys(found).sort(), ['before-first-apply Update', 'me Apply']);
    assert.equal(found['before-first-apply Update']['f:status'], undefined);
  });
});
