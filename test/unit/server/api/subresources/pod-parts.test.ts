import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type ApiFixture, openApi } from '../api-fixture.ts';
import { samplePod } from '../sample-objects.ts';

const pods = '/api/v1/namespaces/default/pods';
const merge = { contentType: 'application/strategic-merge-patch+json' };
let api: ApiFixture;

before(async () => {
  api = await openApi();
});
after(() => api[Symbol.asyncDispose]());

const debugContainer = { name: 'debugger', image: 'busybox', stdin: true, tty: true };

test('a container for debugging is added through its own door, and stays as it is', async () => {
  await api.create(pods, samplePod('debugged', { nodeName: 'n1' }));
  const path = `${pods}/debugged/ephemeralcontainers`;
  const patch = (spec: object) =>
    api.send('PATCH', path, { ...merge, body: { metadata: { labels: { a: 'b' } }, spec } });
  const added = await patch({ ephemeralContainers: [debugContainer], nodeName: 'other' });
  assert.equal(added.code, 200, added.text);
  const { spec, metadata } = added.json();
  assert.deepEqual(
    [spec.ephemeralContainers[0].name, spec.nodeName, metadata.labels],
    ['debugger', 'n1', { app: 'debugged' }],
  );
  assert.equal(spec.ephemeralContainers[0].imagePullPolicy, 'Always');

  const changed = await patch({ ephemeralContainers: [{ ...debugContainer, image: 'other' }] });
  assert.match(changed.json().message, /existing ephemeral containers "debugger" may not be changed/);
  const without = { ...added.json(), spec: { ...spec, ephemeralContainers: [] } };
  const removed = await api.send('PUT', path, { body: without });
  assert.match(removed.json().message, /existing ephemeral containers "debugger" may not be removed/);
  const wrong: [object, RegExp][] = [
    [{ name: 'main', image: 'x' }, /Duplicate value: "main"/],
    [{ name: 'two', image: 'x', ports: [{ containerPort: 1 }] }, /cannot be set for an Ephemeral Container/],
    [{ name: 'two', image: 'x', targetContainerName: 'nobody' }, /targetContainerName: Not found: "nobody"/],
  ];
  for (const [container, message] of wrong) {
    const answer = await patch({ ephemeralContainers: [container] });
    assert.deepEqual([answer.code, message.test(answer.json().message)], [422, true], answer.text);
  }
});

test('a pod is resized through its own door: processor time and memory, within its class', async () => {
  const resources = { requests: { cpu: '100m', memory: '64Mi' }, limits: { cpu: '200m', memory: '128Mi' } };
  await api.create(
    pods,
    samplePod('sized', { nodeName: 'n1', containers: [{ name: 'main', image: 'x', resources }] }),
  );
  const resize = (changes: object) =>
    api.send('PATCH', `${pods}/sized/resize`, {
      ...merge,
      body: { spec: { containers: [{ name: 'main', image: 'other', resources: changes }] } },
    });
  const resized = await resize({ requests: { cpu: '150m' } });
  assert.equal(resized.code, 200, resized.text);
  const [main] = resized.json().spec.containers;
  assert.deepEqual([main.resources.requests, main.image], [{ cpu: '150m', memory: '64Mi' }, 'x']);
  assert.match(
    (await resize({ requests: { cpu: '200m', memory: '128Mi' } })).json().message,
    /Pod QOS Class may not change/,
  );
  assert.match((await resize({ limits: { cpu: null } })).json().message, /resource limits cannot be removed/);
  assert.match(
    (await resize({ limits: { 'ephemeral-storage': '1Gi' } })).json().message,
    /only cpu and memory resources are mutable/,
  );
  assert.equal((await api.send('GET', `${pods}/sized/resize`)).json().metadata.name, 'sized');
});
