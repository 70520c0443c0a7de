import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { DaemonSet } from '../../../protocol/generated/models.ts';
import { controllerRevisionKind } from '../../../protocol/kinds/controller-revision.ts';
import { daemonSetKind } from '../../../protocol/kinds/daemon-set.ts';
import { eventKind } from '../../../protocol/kinds/event.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import {
  type RolloutPolicySpec,
  resumeAnnotation,
  rolloutPolicyAnnotation,
  rolloutPolicyKind,
  type WorkloadRollout,
} from '../../../protocol/kinds/rollout-policy.ts';
import { ControlPlane, isActive, isReady } from './control-plane.ts';
import { brokenImage } from './hollow-kubelets.ts';
import { podSpec } from './workloads.ts';

const at = { namespace: 'default', name: 'ds' };
const policyAt = { namespace: 'default', name: 'careful' };
const canary = { name: 'canary', selector: { matchLabels: { site: 'lab' } } };
const quick: RolloutPolicySpec = { batches: [canary], healthySeconds: 5, progressDeadlineSeconds: 20 };

function daemonSet(): DaemonSet {
  const labels = { app: 'ds' };
  return {
    metadata: { ...at, annotations: { [rolloutPolicyAnnotation]: 'careful' } },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: podSpec() },
      updateStrategy: { rollingUpdate: { maxUnavailable: 10 } },
    },
  };
}

async function start(spec: RolloutPolicySpec): Promise<ControlPlane> {
  const plane = await ControlPlane.start([
    { name: 'lab', labels: { site: 'lab' } },
    { name: 'a', labels: { site: 'field' } },
    { name: 'b', labels: { site: 'field' } },
  ]);
  await plane.registry.create(rolloutPolicyKind, { metadata: { ...policyAt }, spec });
  await plane.registry.create(daemonSetKind, daemonSet());
  await untilPhase(plane, 'Complete');
  return plane;
}

async function running(plane: ControlPlane): Promise<string> {
  const pods = await plane.pods('app=ds');
  return pods
    .filter((pod) => isActive(pod) && isReady(pod))
    .map(({ spec }) => `${spec?.nodeName}:${spec?.containers[0]?.image}`)
    .sort()
    .join(' ');
}

const untilRunning = (plane: ControlPlane, wanted: string) =>
  plane.until(`${wanted} run`, async () => (await running(plane)) === wanted);

async function rollout(plane: ControlPlane): Promise<WorkloadRollout | undefined> {
  return (await plane.registry.get(rolloutPolicyKind, policyAt)).status?.rollouts?.[0];
}

const untilPhase = (plane: ControlPlane, phase: string) =>
  plane.until(`the rollout is ${phase}`, async () => (await rollout(plane))?.phase === phase);

const setImage = (plane: ControlPlane, image: string) =>
  plane.registry.mutate(daemonSetKind, at, ({ spec }) => {
    const [container] = spec?.template.spec?.containers ?? [];
    if (container) container.image = image;
  });

const change = (plane: ControlPlane, spec: Partial<RolloutPolicySpec>) =>
  plane.registry.mutate(rolloutPolicyKind, policyAt, (draft) => {
    draft.spec = { ...draft.spec, ...spec };
  });

suite('a DaemonSet with a RolloutPolicy', () => {
  test('is updated batch by batch, the next one only when enough have been healthy for long enough', async () => {
    await using plane = await start(quick);
    assert.equal(await running(plane), 'a:v1 b:v1 lab:v1');
    await setImage(plane, 'v2');
    await untilRunning(plane, 'a:v1 b:v1 lab:v2');
    await plane.clock.advance(2_000);
    assert.equal(await running(plane), 'a:v1 b:v1 lab:v2', 'not before it has been healthy for 5 seconds');
    const half = await rollout(plane);
    assert.deepEqual(
      [half?.phase, half?.batch, half?.updating, half?.waiting],
      ['Progressing', 'canary', 1, 2],
    );
    await untilRunning(plane, 'a:v2 b:v2 lab:v2');
    await untilPhase(plane, 'Complete');
    const done = await rollout(plane);
    assert.deepEqual([done?.healthy, done?.passed, done?.stableRevision === done?.revision], [3, 2, true]);
  });

  test('stops a version that is bad at the canary, and goes back to the revision before', async () => {
    await using plane = await start({ ...quick, onFailure: 'Rollback' });
    const before = await plane.registry.get(daemonSetKind, at);
    await setImage(plane, brokenImage);
    await untilPhase(plane, 'RolledBack');
    await untilRunning(plane, 'a:v1 b:v1 lab:v1');
    const after = await plane.registry.get(daemonSetKind, at);
    assert.deepEqual(after.spec?.template, before.spec?.template);
    const images = (await plane.pods('app=ds')).map(({ spec }) => spec?.containers[0]?.image);
    assert.deepEqual(images, ['v1', 'v1', 'v1']);
    const { items } = await plane.registry.list(eventKind, {
      fieldSelector: 'involvedObject.kind=DaemonSet',
    });
    const reasons = new Set(items.map(({ reason }) => reason));
    assert.ok(reasons.has('RolloutRollingBack') && reasons.has('RolloutRolledBack'), [...reasons].join());
    await setImage(plane, brokenImage);
    await untilPhase(plane, 'Failed');
    await plane.untilQuiet();
    assert.equal((await rollout(plane))?.reason, 'FailedBefore');
    assert.equal(await running(plane), 'a:v1 b:v1 lab:v1', 'what failed is not tried again');
    const revisions = await plane.registry.list(controllerRevisionKind);
    assert.equal(revisions.items.length, 2);
  });

  test('that failed stays as it is until it is changed or told to go on', async () => {
    await using plane = await start({ ...quick, onFailure: 'Pause' });
    await setImage(plane, brokenImage);
    await untilPhase(plane, 'Failed');
    await plane.untilQuiet();
    assert.equal(await running(plane), 'a:v1 b:v1');
    await change(plane, { healthyPercent: 1, batches: [] });
    await plane.untilQuiet();
    assert.equal(await running(plane), 'a:v1 b:v1', 'another policy alone changes nothing');
    await setImage(plane, 'v3');
    await untilRunning(plane, 'a:v3 b:v3 lab:v3');
    await change(plane, quick);
    await setImage(plane, brokenImage);
    await untilPhase(plane, 'Failed');
    await change(plane, { progressDeadlineSeconds: 10_000 });
    await plane.registry.mutate(daemonSetKind, at, ({ metadata }) => {
      if (metadata) metadata.annotations = { ...metadata.annotations, [resumeAnnotation]: '1' };
    });
    await untilPhase(plane, 'Progressing');
  });

  test('leaves offline devices pending, outside of the count, and brings them straight to the newest', async () => {
    await using plane = await start(quick);
    await plane.setReady('a', 'Unknown');
    await plane.untilQuiet();
    await setImage(plane, 'v2');
    await untilRunning(plane, 'a:v1 b:v2 lab:v2');
    await untilPhase(plane, 'Complete');
    const done = await rollout(plane);
    assert.deepEqual([done?.healthy, done?.pending, done?.waiting], [2, 1, 0]);
    await setImage(plane, 'v3');
    await untilRunning(plane, 'a:v1 b:v3 lab:v3');
    await plane.setReady('a', 'True');
    await untilRunning(plane, 'a:v3 b:v3 lab:v3');
  });

  test('a device that falls silent with the new version, before it is proven, has failed', async () => {
    await using plane = await start({ ...quick, healthySeconds: 15 });
    await setImage(plane, 'v2');
    await untilRunning(plane, 'a:v1 b:v1 lab:v2');
    await plane.registry.mutate(daemonSetKind, at, () => undefined);
    await plane.setReady('lab', 'Unknown');
    await untilPhase(plane, 'Failed');
    await plane.untilQuiet();
    assert.equal(await running(plane), 'a:v1 b:v1 lab:v2');
  });

  test('does nothing while the policy is paused, is missing or its window is closed', async () => {
    await using plane = await start({ ...quick, paused: true });
    await setImage(plane, 'v2');
    await untilPhase(plane, 'Paused');
    await plane.untilQuiet();
    assert.equal(await running(plane), 'a:v1 b:v1 lab:v1');
    // A pod that is lost meanwhile comes back as it was.
    const [lost] = await plane.pods('app=ds');
    await plane.registry.delete(podKind, { namespace: 'default', name: lost?.metadata?.name ?? '' });
    await plane.until('it is gone', async () => (await running(plane)) !== 'a:v1 b:v1 lab:v1');
    await untilRunning(plane, 'a:v1 b:v1 lab:v1');
    const now = new Date(plane.clock.now());
    const inTwoMinutes = new Date(plane.clock.now() + 120_000);
    assert.equal(now.getUTCDate(), inTwoMinutes.getUTCDate());
    const schedule = `${inTwoMinutes.getUTCMinutes()} ${inTwoMinutes.getUTCHours()} * * *`;
    await change(plane, { paused: false, windows: [{ schedule, durationSeconds: 600 }] });
    await plane.untilQuiet();
    assert.equal((await rollout(plane))?.reason, 'WindowClosed');
    assert.equal(await running(plane), 'a:v1 b:v1 lab:v1');
    await plane.until('it opens', () => plane.clock.now() > inTwoMinutes.getTime(), 200_000);
    await untilRunning(plane, 'a:v2 b:v2 lab:v2');
    await plane.registry.delete(rolloutPolicyKind, policyAt);
    await setImage(plane, 'v3');
    await plane.untilQuiet();
    assert.equal(await running(plane), 'a:v2 b:v2 lab:v2');
  });
});
