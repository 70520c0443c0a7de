import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Deployment, Node, Pod, ReplicaSet } from '../../../../protocol/generated/models.ts';
import type { RolloutPolicySpec } from '../../../../protocol/kinds/rollout-policy.ts';
import { updateLockCondition } from '../../../../protocol/update-lock.ts';
import { planDeployment } from '../../../../server/controllers/deployment/plan.ts';

const now = Date.UTC(2026, 0, 1);
const at = (secondsAgo: number) => new Date(now - secondsAgo * 1000).toISOString();
const template = (image: string) => ({
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'c', image }] },
});

function web(replicas: number, strategy = 'RollingUpdate'): Deployment {
  return {
    metadata: { name: 'web', namespace: 'default', uid: 'web', generation: 1 },
    spec: {
      replicas,
      selector: { matchLabels: { app: 'web' } },
      template: template('v2'),
      strategy:
        strategy === 'Recreate'
          ? { type: 'Recreate' }
          : { type: strategy, rollingUpdate: { maxSurge: 0, maxUnavailable: replicas } },
    },
  };
}

function set(image: string, replicas: number): ReplicaSet {
  return {
    metadata: {
      name: `web-${image}`,
      uid: image,
      generation: 1,
      creationTimestamp: at(image === 'v2' ? 10 : 1000),
      labels: { 'pod-template-hash': image },
      annotations: {
        'deployment.kubernetes.io/desired-replicas': '4',
        'deployment.kubernetes.io/revision': image === 'v2' ? '2' : '1',
      },
    },
    spec: { replicas, selector: {}, template: template(image) },
    status: { replicas, availableReplicas: replicas, readyReplicas: replicas, observedGeneration: 1 },
  };
}

function pod(name: string, { image = 'v1', locked = false } = {}): Pod {
  const lock = { type: updateLockCondition, status: 'True', lastTransitionTime: at(5) };
  const ready = { type: 'Ready', status: 'True', lastTransitionTime: at(500) };
  return {
    metadata: {
      name: `${name}-${image}`,
      uid: `${name}-${image}`,
      creationTimestamp: at(600),
      labels: { 'pod-template-hash': image },
    },
    spec: { containers: [], nodeName: name.replace(/\d/, '') },
    status: { phase: 'Running', startTime: at(600), conditions: locked ? [ready, lock] : [ready] },
  };
}

const nodes: Record<string, Node> = {
  lab: { metadata: { name: 'lab', labels: { site: 'lab' } } },
  far: { metadata: { name: 'far', labels: { site: 'far' } } },
};

const canary = { name: 'canary', selector: { matchLabels: { site: 'lab' } } };

/** `v1:3` for each set that is given another size. */
function steps(owner: Deployment, sets: ReplicaSet[], pods: Pod[], spec: RolloutPolicySpec): string[] {
  const rules = {
    policy: { spec },
    before: undefined,
    pods,
    nodeOf: (name: string) => nodes[name],
    nowMs: now,
  };
  return planDeployment(owner, sets, rules).steps.flatMap((step) => {
    if (step.type === 'scale') return [`${step.set.metadata?.uid}:${step.replicas}`];
    return step.type === 'createSet' ? [`new:${step.replicas}`] : [];
  });
}

suite('a Deployment under a RolloutPolicy', () => {
  const old = [pod('lab1'), pod('lab2'), pod('far1'), pod('far2')];

  test('moves as many replicas as the open batches have, and no more', () => {
    assert.deepEqual(steps(web(4), [set('v2', 0), set('v1', 4)], old, { batches: [canary] }), ['v1:2']);
    assert.deepEqual(steps(web(4), [set('v2', 0), set('v1', 4)], old, { batches: [{ percent: 25 }] }), [
      'v1:3',
    ]);
    assert.deepEqual(steps(web(4), [set('v2', 0), set('v1', 4)], old, {}), ['v1:0']);
  });

  test('makes its new set empty while nothing may be updated, and takes nothing from the old one', () => {
    assert.deepEqual(steps(web(4), [set('v1', 4)], old, { paused: true }), ['new:0']);
    assert.deepEqual(steps(web(4), [set('v2', 0), set('v1', 4)], old, { paused: true }), []);
    const windows = [{ schedule: '0 3 1 7 *', durationSeconds: 60 }];
    assert.deepEqual(steps(web(4), [set('v2', 0), set('v1', 4)], old, { windows }), []);
  });

  test('with Recreate goes all at once, and only when all batches are open', () => {
    const held = steps(web(4, 'Recreate'), [set('v2', 0), set('v1', 4)], old, { batches: [canary] });
    assert.deepEqual(held, []);
    assert.deepEqual(steps(web(4, 'Recreate'), [set('v2', 0), set('v1', 4)], old, {}), ['v1:0']);
  });

  test('leaves pods that are locked, also beside the new ones of a surge', () => {
    const locked = [pod('lab1', { locked: true }), pod('lab2'), pod('far1'), pod('far2')];
    const sets = [set('v2', 0), set('v1', 4)];
    assert.deepEqual(steps(web(4), sets, locked, { batches: [canary] }), ['v1:3']);
    assert.deepEqual(steps(web(4), sets, locked, {}), ['v1:1']);
    assert.deepEqual(steps(web(4), sets, locked, { lockMaxAgeSeconds: 0 }), ['v1:0']);
    const surging = [...locked, pod('lab3', { image: 'v2' })];
    assert.deepEqual(steps(web(4), [set('v2', 1), set('v1', 4)], surging, { batches: [canary] }), ['v1:3']);
  });

  test('leaves pods that are locked, also while pods that were given up before are still there', () => {
    const locked = [pod('far1', { locked: true }), pod('far2'), pod('far3')];
    const updated = ['lab1', 'lab2', 'lab3', 'lab4'].map((name) => pod(name, { image: 'v2' }));
    const sets = [set('v2', 4), set('v1', 1)];
    assert.deepEqual(steps(web(4), sets, [...locked, ...updated], {}), []);
  });

  test('takes no more from a set before what was taken is on its way out', () => {
    const shrinking = set('v1', 3);
    const told = () =>
      steps(web(4), [set('v2', 1), shrinking], [pod('lab3', { image: 'v2' }), ...old], { batches: [canary] });
    shrinking.status = { replicas: 4, availableReplicas: 4, observedGeneration: 1 };
    assert.deepEqual(told(), []);
    shrinking.status = { replicas: 3, availableReplicas: 3, observedGeneration: 0 };
    assert.deepEqual(told(), []);
    shrinking.status.observedGeneration = 1;
    assert.deepEqual(told(), ['v1:2']);
  });

  test('takes nothing for pods that are not seen yet, unless their set cannot make them', () => {
    const seen = [pod('lab1'), pod('far1'), pod('far2')];
    const sets = [set('v2', 0), set('v1', 4)];
    assert.deepEqual(steps(web(4), sets, seen, { batches: [canary] }), ['v1:3']);
    const failing = set('v1', 4);
    const conditions = [{ type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: 'no' }];
    failing.status = { ...failing.status, replicas: 3, conditions };
    const unfilled = [pod('far1'), pod('far2')];
    assert.deepEqual(steps(web(4), [set('v2', 0), failing], unfilled, { batches: [{ percent: 25 }] }), [
      'v1:3',
    ]);
    assert.deepEqual(steps(web(4), sets, unfilled, { paused: true }), []);
    assert.deepEqual(steps(web(4), [set('v2', 0), failing], unfilled, { paused: true }), []);
  });

  test('takes from the sets whose pods are on the nodes of the batch', () => {
    const mixed = [pod('lab1', { image: 'v3' }), pod('far1'), pod('far2'), pod('far3')];
    const sets = [set('v2', 0), set('v1', 3), set('v3', 1)];
    assert.deepEqual(steps(web(4), sets, mixed, { batches: [canary] }), ['v3:0']);
  });
});
