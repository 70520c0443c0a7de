import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node, Toleration } from '../../../../protocol/generated/models.ts';
import { evictionTimeMs, planTaints } from '../../../../server/controllers/node-lifecycle/taints.ts';

const now = Date.UTC(2026, 0, 1);

function node(
  ready: string,
  more: { unschedulable?: boolean; taints?: { key: string; effect: string }[] } = {},
): Node {
  return {
    metadata: { name: 'n', uid: 'n' },
    spec: {
      ...(more.unschedulable === undefined ? {} : { unschedulable: more.unschedulable }),
      ...(more.taints ? { taints: more.taints } : {}),
    },
    status: { conditions: [{ type: 'Ready', status: ready }] },
  };
}

const keys = (from: Node) => planTaints(from, now).map((taint) => `${taint.key}:${taint.effect}`);

test("a ready node carries no taint of ours, and people's taints stay", () => {
  assert.deepEqual(keys(node('True', { taints: [{ key: 'mine', effect: 'NoSchedule' }] })), [
    'mine:NoSchedule',
  ]);
});

test('a silent node is unreachable, one that says it is unwell is not ready', () => {
  assert.deepEqual(keys(node('Unknown')), [
    'node.kubernetes.io/unreachable:NoSchedule',
    'node.kubernetes.io/unreachable:NoExecute',
  ]);
  assert.deepEqual(keys(node('False'))[0], 'node.kubernetes.io/not-ready:NoSchedule');
});

test('a taint that stays keeps the time it was added', () => {
  const first = node('Unknown');
  const taints = planTaints(first, now);
  first.spec = { taints };
  assert.deepEqual(planTaints(first, now + 60_000), taints);
});

test('a returning node loses the taint, a cordoned one keeps unschedulable', () => {
  const back = node('True', {
    unschedulable: true,
    taints: [{ key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' }],
  });
  assert.deepEqual(keys(back), ['node.kubernetes.io/unschedulable:NoSchedule']);
});

const unreachable = [
  { key: 'node.kubernetes.io/unreachable', effect: 'NoExecute', timeAdded: new Date(now).toISOString() },
];
const tolerate = (tolerationSeconds?: number): Toleration[] => [
  {
    key: 'node.kubernetes.io/unreachable',
    operator: 'Exists',
    effect: 'NoExecute',
    ...(tolerationSeconds === undefined ? {} : { tolerationSeconds }),
  },
];

test('a pod that tolerates silence without end is never evicted', () => {
  assert.equal(evictionTimeMs(tolerate(), unreachable, now + 1e9), undefined);
});

test('tolerationSeconds count from when the taint was added', () => {
  assert.equal(evictionTimeMs(tolerate(60), unreachable, now + 10_000), now + 60_000);
});

test('a pod that does not tolerate the taint goes at once, and NoSchedule evicts nobody', () => {
  assert.equal(evictionTimeMs([], unreachable, now), now);
  assert.equal(evictionTimeMs([], [{ key: 'x', effect: 'NoSchedule' }], now), undefined);
});

test('a NoExecute taint of people gets the time from which it counts, and keeps it', () => {
  const tainted = node('True', { taints: [{ key: 'wet', effect: 'NoExecute' }] });
  const taints = planTaints(tainted, now);
  assert.deepEqual(taints, [{ key: 'wet', effect: 'NoExecute', timeAdded: '2026-01-01T00:00:00Z' }]);
  tainted.spec = { taints };
  assert.deepEqual(planTaints(tainted, now + 60_000), taints);
});

test('of several tolerations for one taint the first counts', () => {
  assert.equal(evictionTimeMs([...tolerate(), ...tolerate(60)], unreachable, now), undefined);
  assert.equal(evictionTimeMs([...tolerate(60), ...tolerate()], unreachable, now), now + 60_000);
});
