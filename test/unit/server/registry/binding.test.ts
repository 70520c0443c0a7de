import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refusalsOf } from '../../../../server/registry/refusals.ts';
import type { Registry } from '../../../../server/registry/registry.ts';
import { openRegistry, refused, testPodKind } from './registry-fixture.ts';

const a = { namespace: 'default', name: 'a' };

async function pod(registry: Registry): Promise<string> {
  const created = await registry.create(testPodKind, { metadata: a, spec: { containers: [{}] } });
  return created.metadata?.uid ?? '';
}

test('of two bindings one wins', async () => {
  await using fixture = await openRegistry();
  const { registry } = fixture;
  const uid = await pod(registry);
  const outcomes = await Promise.allSettled([registry.bind(a, uid, 'n1'), registry.bind(a, uid, 'n2')]);
  assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
  const { spec, status } = await registry.get(testPodKind, a);
  assert.deepEqual(status?.conditions, [
    { type: 'PodScheduled', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' },
  ]);
  await assert.rejects(
    registry.bind(a, uid, 'n3'),
    refused(
      'Conflict',
      `Operation cannot be fulfilled on pods/binding "a": pod a is already assigned to node "${spec?.nodeName}"`,
    ),
  );
});

test('a pod that is another one by now, or going, is not bound', async () => {
  await using fixture = await openRegistry();
  const { registry } = fixture;
  const uid = await pod(registry);
  await assert.rejects(registry.bind(a, 'other', 'n1'), refused('Conflict', /UID in precondition: other/));
  await registry.mutate(testPodKind, a, (draft) => {
    (draft.metadata ??= {}).finalizers = ['hold'];
  });
  await registry.delete(testPodKind, a);
  await assert.rejects(registry.bind(a, uid, 'n1'), refused('Conflict', /pod a is being deleted/));
});

test("a node's veto sets the pod free, remembers the node, and counts only from the node it is bound to", async () => {
  await using fixture = await openRegistry();
  const { registry } = fixture;
  const podUid = await pod(registry);
  const veto = { podUid, reason: 'OutOfMemory', message: 'needs 2Gi, 1Gi is free' };
  await registry.bind(a, podUid, 'n1');
  await assert.rejects(
    registry.unbind(a, { ...veto, node: 'n2' }),
    refused('Conflict', /pod a is assigned to node "n1", not to "n2"/),
  );
  await registry.unbind(a, { ...veto, node: 'n1' });
  const free = await registry.get(testPodKind, a);
  assert.equal(free.spec?.nodeName, undefined);
  assert.deepEqual(free.status, {
    phase: 'Pending',
    conditions: [
      {
        type: 'PodScheduled',
        status: 'False',
        reason: 'OutOfMemory',
        message: 'needs 2Gi, 1Gi is free',
        lastTransitionTime: '2026-01-01T00:00:00Z',
      },
    ],
  });
  for (const node of ['n2', 'n1']) {
    await registry.bind(a, podUid, node);
    await registry.unbind(a, { ...veto, node });
  }
  const refusals = refusalsOf(await registry.get(testPodKind, a));
  const told = refusals.map(({ node, count, sinceMs, untilMs }) => [node, count, untilMs - sinceMs]);
  assert.deepEqual(told, [
    ['n2', 1, 30_000],
    ['n1', 2, 60_000],
  ]);
});
