import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { PodDisruptionBudgetSpec, ReplicationController } from '../../../protocol/generated/models.ts';
import { deploymentKind } from '../../../protocol/kinds/deployment.ts';
import { jobKind } from '../../../protocol/kinds/job.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { podDisruptionBudgetKind } from '../../../protocol/kinds/pod-disruption-budget.ts';
import { replicationControllerKind } from '../../../protocol/kinds/replication-controller.ts';
import { ControlPlane, isActive, isReady } from './control-plane.ts';
import { changeDeployment, deployment, podSpec, setImage, untilRolledOut } from './workloads.ts';

async function allowed(plane: ControlPlane): Promise<string> {
  const { status } = await plane.registry.get(podDisruptionBudgetKind, { namespace: 'default', name: 'web' });
  return `${status?.currentHealthy} of ${status?.expectedPods}, ${status?.disruptionsAllowed} may go`;
}

const createBudget = (plane: ControlPlane, spec: PodDisruptionBudgetSpec) =>
  plane.registry.create(podDisruptionBudgetKind, {
    metadata: { name: 'web', namespace: 'default' },
    spec: { selector: { matchLabels: { app: 'web' } }, ...spec },
  });

suite('a disruption budget', () => {
  test('follows its pods, and asks their Deployment how many there shall be, also while that is updated', async () => {
    await using plane = await ControlPlane.start();
    await createBudget(plane, { maxUnavailable: '50%' });
    await plane.registry.create(deploymentKind, deployment('web', { replicas: 4 }));
    await untilRolledOut(plane, 'web');
    await plane.until('two may go', async () => (await allowed(plane)) === '4 of 4, 2 may go');
    await changeDeployment(plane, 'web', setImage('v2'));
    await untilRolledOut(plane, 'web');
    await plane.until('it counts the new pods', async () => (await allowed(plane)) === '4 of 4, 2 may go');
    const [one] = await plane.pods();
    const at = { namespace: 'default', name: one?.metadata?.name ?? '' };
    const change = (draft: { status?: object }) => {
      draft.status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'False' }] };
    };
    await plane.registry.mutate(podKind, at, change, { subresource: 'status' });
    await plane.until('one less may go', async () => (await allowed(plane)) === '3 of 4, 1 may go');
  });

  test('allows none where it cannot be worked out', async () => {
    await using plane = await ControlPlane.start();
    await createBudget(plane, { maxUnavailable: 1 });
    const labels = { app: 'web' };
    const template = { metadata: { labels }, spec: podSpec('100m', 'v1', { restartPolicy: 'Never' }) };
    await plane.registry.create(jobKind, {
      metadata: { name: 'web', namespace: 'default' },
      spec: { template, parallelism: 2, completions: 2 },
    });
    await plane.until('two run', async () => (await plane.pods('app=web')).filter(isReady).length === 2);
    await plane.untilQuiet();
    const { status } = await plane.registry.get(podDisruptionBudgetKind, {
      namespace: 'default',
      name: 'web',
    });
    assert.equal(status?.disruptionsAllowed, 0);
    const condition = status?.conditions?.[0];
    assert.deepEqual(
      [condition?.reason, condition?.message],
      ['SyncFailed', 'jobs.batch does not implement the scale subresource'],
    );
  });
});

test('a ReplicationController keeps as many pods as it shall, takes orphans that fit, and lets others go', async () => {
  await using plane = await ControlPlane.start();
  const labels = { app: 'old' };
  const orphan = { metadata: { name: 'orphan', namespace: 'default', labels }, spec: podSpec() };
  await plane.registry.create(podKind, orphan);
  const controller: ReplicationController = {
    metadata: { name: 'old', namespace: 'default' },
    spec: { replicas: 3, selector: labels, template: { metadata: { labels }, spec: podSpec() } },
  };
  await plane.registry.create(replicationControllerKind, controller);
  const running = async () => (await plane.pods('app=old')).filter((pod) => isActive(pod) && isReady(pod));
  await plane.until('three run', async () => (await running()).length === 3);
  assert.ok((await running()).some(({ metadata }) => metadata?.name === 'orphan'));
  await plane.registry.mutate(podKind, { namespace: 'default', name: 'orphan' }, ({ metadata }) => {
    if (metadata) metadata.labels = { app: 'mine' };
  });
  await plane.until('another is made', async () => (await running()).length === 3);
  assert.equal((await plane.find(podKind, 'orphan'))?.metadata?.ownerReferences, undefined);
  await plane.registry.mutate(
    replicationControllerKind,
    { namespace: 'default', name: 'old' },
    ({ spec }) => {
      if (spec) spec.replicas = 1;
    },
  );
  await plane.until('one is left', async () => (await plane.pods('app=old')).length === 1);
  await plane.untilQuiet();
  const { status } = await plane.registry.get(replicationControllerKind, {
    namespace: 'default',
    name: 'old',
  });
  assert.deepEqual([status?.replicas, status?.readyReplicas], [1, 1]);
});
