import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod, ReplicaSet } from '../../../../protocol/generated/models.ts';
import { planReplicaSet, withReplicaFailure } from '../../../../server/controllers/replica-set/plan.ts';

const now = Date.UTC(2026, 0, 1);
const at = (secondsAgo: number) => new Date(now - secondsAgo * 1000).toISOString();

function replicaSet(
  replicas: number,
  more: { minReadySeconds?: number; deleting?: boolean } = {},
): ReplicaSet {
  return {
    metadata: {
      name: 'web',
      uid: 'rs',
      generation: 3,
      ...(more.deleting ? { deletionTimestamp: at(1) } : {}),
    },
    spec: {
      replicas,
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } } },
      ...(more.minReadySeconds === undefined ? {} : { minReadySeconds: more.minReadySeconds }),
    },
  };
}

interface PodFacts {
  phase?: string;
  node?: string;
  readySecondsAgo?: number;
  deleting?: boolean;
  createdSecondsAgo?: number;
  cost?: string;
  restarts?: number;
}

function pod(name: string, facts: PodFacts = {}): Pod {
  return {
    metadata: {
      name,
      uid: name,
      resourceVersion: '1',
      creationTimestamp: at(facts.createdSecondsAgo ?? 60),
      labels: { app: 'web' },
      ...(facts.deleting ? { deletionTimestamp: at(1) } : {}),
      ...(facts.cost === undefined
        ? {}
        : { annotations: { 'controller.kubernetes.io/pod-deletion-cost': facts.cost } }),
    },
    spec: { containers: [], ...(facts.node === undefined ? {} : { nodeName: facts.node }) },
    status: {
      phase: facts.phase ?? 'Running',
      conditions:
        facts.readySecondsAgo === undefined
          ? []
          : [{ type: 'Ready', status: 'True', lastTransitionTime: at(facts.readySecondsAgo) }],
      containerStatuses: [
        { name: 'c', image: '', imageID: '', ready: true, restartCount: facts.restarts ?? 0 },
      ],
    },
  };
}

const running = (name: string, facts: PodFacts = {}) =>
  pod(name, { node: 'n', readySecondsAgo: 30, ...facts });
const removed = (plan: ReturnType<typeof planReplicaSet>) => plan.remove.map((entry) => entry.metadata?.name);

test('missing replicas are made; finished and terminating pods do not count', () => {
  const pods = [running('a'), running('gone', { deleting: true }), pod('done', { phase: 'Succeeded' })];
  assert.equal(planReplicaSet(replicaSet(3), pods, now).create, 2);
});

test('a ReplicaSet that is being deleted makes and removes nothing', () => {
  const plan = planReplicaSet(replicaSet(3, { deleting: true }), [running('a')], now);
  assert.deepEqual([plan.create, plan.remove.length], [0, 0]);
  const shrink = planReplicaSet(replicaSet(0, { deleting: true }), [running('a')], now);
  assert.equal(shrink.remove.length, 0);
});

test('the least useful pods go first: unbound, pending, not ready, cheap, freshly ready, restarted, young', () => {
  const ordered = [
    pod('unbound', { phase: 'Pending' }),
    pod('pending', { node: 'n', phase: 'Pending' }),
    pod('unready', { node: 'n' }),
    running('cheap', { cost: '-5' }),
    running('fresh', { readySecondsAgo: 5 }),
    running('restarted', { restarts: 4 }),
    running('young', { createdSecondsAgo: 40 }),
    running('old', { createdSecondsAgo: 90 }),
  ];
  const shuffled = [3, 7, 1, 5, 0, 6, 2, 4].flatMap((index) => ordered[index] ?? []);
  for (let keep = 0; keep < ordered.length; keep += 1) {
    const plan = planReplicaSet(replicaSet(keep), shuffled, now);
    assert.deepEqual(
      removed(plan),
      ordered.slice(0, ordered.length - keep).map((entry) => entry.metadata?.name),
      `keeping ${keep}`,
    );
  }
});

test('a round makes at most the burst, the next makes the rest', () => {
  assert.equal(planReplicaSet(replicaSet(1200), [], now).create, 500);
});

test('available means ready for minReadySeconds, and the plan says when to look again', () => {
  const set = replicaSet(2, { minReadySeconds: 20 });
  const plan = planReplicaSet(
    set,
    [running('a', { readySecondsAgo: 30 }), running('b', { readySecondsAgo: 5 })],
    now,
  );
  assert.equal(plan.status.readyReplicas, 2);
  assert.equal(plan.status.availableReplicas, 1);
  assert.equal(plan.wakeAfterMs, 15_000);
  assert.equal(plan.status.observedGeneration, 3);
});

test('a failure to create shows as a condition, keeps its first time, and is cleared by success', () => {
  const { status } = planReplicaSet(replicaSet(1), [], now);
  const failure = { reason: 'FailedCreate', message: 'no' } as const;
  const first = withReplicaFailure(status, failure, now);
  const second = withReplicaFailure(first, failure, now + 60_000);
  assert.deepEqual(second.conditions, first.conditions);
  assert.equal(first.conditions?.[0]?.type, 'ReplicaFailure');
  assert.equal(withReplicaFailure(second, undefined, now).conditions, undefined);
});
