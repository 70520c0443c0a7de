import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type ApiFixture, openApi } from './api-fixture.ts';
import { samplePod } from './sample-objects.ts';

const pods = '/api/v1/namespaces/default/pods';
const budgets = '/apis/policy/v1/namespaces/default/poddisruptionbudgets';

describe('evictions', () => {
  let api: ApiFixture;
  before(async () => {
    api = await openApi();
  });
  after(() => api[Symbol.asyncDispose]());

  /** A bound pod that runs, with the label app=`app`. */
  async function runningPod(name: string, app: string, { ready = true } = {}) {
    const sample = samplePod(name);
    await api.create(pods, {
      ...sample,
      metadata: { ...sample.metadata, labels: { app } },
      spec: { ...sample.spec, nodeName: 'somewhere' },
    });
    const conditions = [{ type: 'Ready', status: ready ? 'True' : 'False' }];
    await patchStatus(`${pods}/${name}`, { phase: 'Running', conditions });
  }

  async function budget(name: string, app: string, status: object, spec: object = {}) {
    await api.create(budgets, {
      metadata: { name },
      spec: { minAvailable: 1, selector: { matchLabels: { app } }, ...spec },
    });
    await patchStatus(`${budgets}/${name}`, { observedGeneration: 1, ...status });
  }

  async function patchStatus(path: string, status: object) {
    const contentType = 'application/merge-patch+json';
    const answer = await api.send('PATCH', `${path}/status`, { body: { status }, contentType });
    assert.equal(answer.code, 200, answer.text);
  }

  async function evict(name: string, more: object = {}) {
    const body = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name }, ...more };
    const answer = await api.send('POST', `${pods}/${name}/eviction`, { body });
    const { message, details } = answer.json();
    return { code: answer.code, message, cause: details?.causes?.[0], retry: answer.headers['retry-after'] };
  }

  const shown = async (path: string) => (await api.send('GET', path)).json();

  test('that the budget allows are granted one by one, then refused in words that kubectl drain understands', async () => {
    await runningPod('a', 'web');
    await runningPod('b', 'web');
    await budget('web', 'web', { disruptionsAllowed: 1, desiredHealthy: 1, currentHealthy: 2 });
    assert.equal((await evict('a', { deleteOptions: { dryRun: ['All'] } })).code, 201);
    assert.equal((await evict('a')).code, 201);
    const pod = await shown(`${pods}/a`);
    assert.ok(pod.metadata.deletionTimestamp);
    const condition = pod.status.conditions.find(({ type }: { type: string }) => type === 'DisruptionTarget');
    assert.equal(condition.reason, 'EvictionByEvictionAPI');
    const { status } = await shown(`${budgets}/web`);
    assert.deepEqual([status.disruptionsAllowed, Object.keys(status.disruptedPods)], [0, ['a']]);
    assert.deepEqual(await evict('b'), {
      code: 429,
      message: "Cannot evict pod as it would violate the pod's disruption budget.",
      cause: {
        reason: 'DisruptionBudget',
        message: 'The disruption budget web needs 1 healthy pods and has 2 currently',
        field: '',
      },
      retry: undefined,
    });
    assert.equal((await shown(`${pods}/b`)).metadata.deletionTimestamp, undefined);
  });

  test('side by side never take more than is allowed', async () => {
    const names = ['s1', 's2', 's3', 's4', 's5'];
    for (const name of names) await runningPod(name, 'side');
    await budget('side', 'side', { disruptionsAllowed: 2, desiredHealthy: 3, currentHealthy: 5 });
    const codes = await Promise.all(names.map(async (name) => (await evict(name)).code));
    assert.deepEqual(codes.sort(), [201, 201, 429, 429, 429]);
  });

  test('wait for a budget that is not worked out yet', async () => {
    await runningPod('c', 'fresh');
    await budget('fresh', 'fresh', { observedGeneration: 0, disruptionsAllowed: 1 });
    const { code, cause, retry } = await evict('c');
    assert.deepEqual([code, retry], [429, '10']);
    assert.equal(cause.message, 'The disruption budget fresh is still being processed by the server.');
  });

  test('of pods that serve nothing need no grant, of unready ones where the policy says so or the others are there', async () => {
    await api.create(pods, { ...samplePod('d'), metadata: { name: 'd', labels: { app: 'idle' } } });
    await budget('idle', 'idle', { disruptionsAllowed: 0 });
    assert.equal((await evict('d')).code, 201, 'a pending pod');
    await runningPod('e', 'guarded', { ready: false });
    await budget('guarded', 'guarded', { disruptionsAllowed: 0, desiredHealthy: 2, currentHealthy: 1 });
    assert.equal((await evict('e')).code, 429);
    await patchStatus(`${budgets}/guarded`, { currentHealthy: 2 });
    assert.equal((await evict('e')).code, 201);
    await runningPod('f', 'free', { ready: false });
    const policy = { unhealthyPodEvictionPolicy: 'AlwaysAllow' };
    await budget('free', 'free', { disruptionsAllowed: 0, desiredHealthy: 2, currentHealthy: 1 }, policy);
    assert.equal((await evict('f')).code, 201);
  });

  test('of a pod with two budgets, or under another name, are refused', async () => {
    await runningPod('g', 'twice');
    await budget('one', 'twice', { disruptionsAllowed: 1 });
    await budget('two', 'twice', { disruptionsAllowed: 1 });
    const { code, message } = await evict('g');
    assert.equal(code, 500);
    assert.match(
      message,
      /more than one PodDisruptionBudget, which the eviction subresource does not support/,
    );
    assert.equal((await evict('g', { metadata: { name: 'other' } })).code, 400);
  });
});
