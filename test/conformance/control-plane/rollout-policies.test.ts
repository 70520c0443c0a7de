import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { DaemonSet } from '../../../protocol/generated/models.ts';
import { controllerRevisionKind } from '../../../protocol/kinds/controller-revision.ts';
import { daemonSetKind } from '../../../protocol/kinds/daemon-set.ts';
import { deploymentKind } from '../../../protocol/kinds/deployment.ts';
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
import {
  changeDeployment,
  deployment,
  podSpec,
  rolloutStatus,
  setImage as setContainerImage,
  untilRolledOut,
} from './workloads.ts';

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

suite('a Deployment with a RolloutPolicy', () => {
  const annotations = { [rolloutPolicyAnnotation]: 'careful' };
  const images = async (plane: ControlPlane) =>
    (await plane.pods('app=web'))
      .filter((pod) => isActive(pod) && isReady(pod))
      .map(({ spec }) => `${spec?.nodeName}:${spec?.containers[0]?.image}`)
      .sort();

  async function startWeb(spec: RolloutPolicySpec, replicas = 4): Promise<ControlPlane> {
    const plane = await ControlPlane.start([
      { name: 'lab', labels: { site: 'lab' } },
      { name: 'a', labels: { site: 'field' } },
      { name: 'b', labels: { site: 'field' } },
    ]);
    await plane.registry.create(rolloutPolicyKind, { metadata: { ...policyAt }, spec });
    const web = deployment('web', { replicas });
    await plane.registry.create(deploymentKind, { ...web, metadata: { ...web.metadata, annotations } });
    await untilPhase(plane, 'Complete');
    return plane;
  }

  test('is updated on the nodes of the first batch, then by shares, and never beyond', async () => {
    await using plane = await startWeb({ ...quick, batches: [canary, { name: 'half', percent: 50 }] });
    const before = await images(plane);
    const atLab = before.filter((one) => one.startsWith('lab')).length;
    assert.ok(atLab > 0);
    let most = 0;
    let batch: string | undefined = '';
    const watched = new Map<string, number>();
    await changeDeployment(plane, 'web', setContainerImage('v2'));
    await plane.until('it is through', async () => {
      const now = (await plane.pods('app=web')).filter(isActive);
      most = now.filter(({ spec }) => spec?.containers[0]?.image === 'v2').length;
      const seen = await rollout(plane);
      batch = seen?.phase === 'Progressing' ? seen.batch : undefined;
      if (batch) watched.set(batch, Math.max(most, watched.get(batch) ?? 0));
      if (batch === 'canary') {
        for (const pod of now) {
          const isNew = pod.spec?.containers[0]?.image === 'v2' && pod.spec.nodeName;
          if (isNew) assert.equal(isNew, 'lab');
        }
      }
      return seen?.phase === 'Complete' && most === 4;
    });
    assert.equal(watched.get('canary'), atLab);
    assert.deepEqual([...watched.keys()], ['canary', 'half', 'rest']);
    await untilRolledOut(plane, 'web');
  });

  test('goes back to the template before when its first batch is bad', async () => {
    await using plane = await startWeb({ ...quick, batches: [{ percent: 25 }], onFailure: 'Rollback' });
    const before = await plane.find(deploymentKind, 'web');
    await changeDeployment(plane, 'web', setContainerImage(brokenImage));
    await untilPhase(plane, 'RolledBack');
    const after = await plane.find(deploymentKind, 'web');
    assert.deepEqual(after?.spec?.template, before?.spec?.template);
    await untilRolledOut(plane, 'web');
    assert.deepEqual(
      (await images(plane)).map((one) => one.split(':')[1]),
      ['v1', 'v1', 'v1', 'v1'],
    );
  });

  test('is held while the policy is paused, also when it is resized, and says that it failed', async () => {
    await using plane = await startWeb({ ...quick, batches: [{ percent: 25 }], paused: true });
    await changeDeployment(plane, 'web', setContainerImage('v2'));
    await untilPhase(plane, 'Paused');
    await changeDeployment(plane, 'web', (spec) => {
      spec.replicas = 6;
    });
    await plane.until('there are six', async () => (await images(plane)).length === 6);
    await plane.untilQuiet();
    assert.deepEqual(new Set((await images(plane)).map((one) => one.split(':')[1])), new Set(['v1']));
    await change(plane, { paused: false });
    await untilPhase(plane, 'Complete');
    await changeDeployment(plane, 'web', setContainerImage(brokenImage));
    await untilPhase(plane, 'Failed');
    await plane.until('it says so', async () => {
      const found = await plane.find(deploymentKind, 'web');
      return found !== undefined && rolloutStatus(found) === 'failed';
    });
  });
});
