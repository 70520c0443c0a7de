import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Deployment, ReplicaSet } from '../../../protocol/generated/models.ts';
import { deploymentKind } from '../../../protocol/kinds/deployment.ts';
import { eventKind } from '../../../protocol/kinds/event.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { replicaSetKind } from '../../../protocol/kinds/replica-set.ts';
import { controllerOf } from '../../../protocol/kinds/stored-object.ts';
import { ControlPlane, isActive, isReady } from './control-plane.ts';
import { brokenImage } from './hollow-kubelets.ts';
import {
  changeDeployment,
  deployment,
  pod,
  podSpec,
  rolloutStatus,
  setImage,
  untilRolledOut,
} from './workloads.ts';

const images = async (plane: ControlPlane) =>
  (await plane.pods('app=web'))
    .filter(isActive)
    .map(({ spec }) => spec?.containers[0]?.image ?? '')
    .sort((a, b) => a.localeCompare(b));

const sets = async (plane: ControlPlane): Promise<ReplicaSet[]> =>
  (await plane.registry.list(replicaSetKind, {})).items.sort((a, b) =>
    (a.metadata?.creationTimestamp ?? '') < (b.metadata?.creationTimestamp ?? '') ? -1 : 1,
  );

async function get(plane: ControlPlane, name = 'web'): Promise<Deployment> {
  return plane.registry.get(deploymentKind, { namespace: 'default', name });
}

const progressing = ({ status }: Deployment) =>
  status?.conditions?.find(({ type }) => type === 'Progressing')?.reason;

/** Watches every change of pods and remembers the extremes of those that are active and of those that are ready. */
function watchBounds(plane: ControlPlane, signal: AbortSignal) {
  const pods = new Map<string, { active: boolean; ready: boolean }>();
  const seen = { activeMax: 0, readyMin: Number.POSITIVE_INFINITY };
  const follow = async (resourceVersion: string) => {
    for await (const change of plane.registry.watch(podKind, { resourceVersion, signal })) {
      if (change.type === 'BOOKMARK') continue;
      const uid = change.object.metadata?.uid ?? '';
      const active = isActive(change.object);
      if (change.type === 'DELETED') pods.delete(uid);
      else pods.set(uid, { active, ready: active && isReady(change.object) });
      const all = [...pods.values()];
      seen.activeMax = Math.max(seen.activeMax, all.filter((pod) => pod.active).length);
      seen.readyMin = Math.min(seen.readyMin, all.filter((pod) => pod.ready).length);
    }
  };
  const begin = async () => {
    const { items, resourceVersion } = await plane.registry.list(podKind);
    for (const pod of items)
      pods.set(pod.metadata?.uid ?? '', { active: isActive(pod), ready: isReady(pod) });
    void follow(resourceVersion);
  };
  return { seen, begin };
}

suite('a Deployment', () => {
  test('is created, runs, and says so as kubectl rollout status reads it', async () => {
    await using plane = await ControlPlane.start();
    await plane.registry.create(deploymentKind, deployment('web', { replicas: 3 }));
    await untilRolledOut(plane, 'web');
    const pods = await plane.pods('app=web');
    assert.equal(pods.filter(isReady).length, 3);
    assert.equal(new Set(pods.map(({ spec }) => spec?.nodeName)).size, 3, 'one on each node');
    const { metadata, status } = await get(plane);
    assert.equal(metadata?.annotations?.['deployment.kubernetes.io/revision'], '1');
    assert.deepEqual(
      status?.conditions?.map(({ type, status: value, reason }) => `${type}=${value} ${reason}`),
      ['Available=True MinimumReplicasAvailable', 'Progressing=True NewReplicaSetAvailable'],
    );
    const events = (await plane.registry.list(eventKind)).items;
    assert.deepEqual(
      [...new Set(events.map(({ reason, source }) => `${reason} ${source?.component}`))].sort(),
      [
        'ScalingReplicaSet deployment-controller',
        'Scheduled default-scheduler',
        'SuccessfulCreate replicaset-controller',
      ],
    );
  });

  test('is scaled up and down, to nothing and back', async () => {
    await using plane = await ControlPlane.start();
    await plane.registry.create(deploymentKind, deployment('web', { replicas: 2 }));
    await untilRolledOut(plane, 'web');
    for (const replicas of [7, 3, 0, 1]) {
      await changeDeployment(plane, 'web', (spec) => void (spec.replicas = replicas));
      await plane.until(`${replicas} run`, async () => {
        const pods = await plane.pods('app=web');
        return pods.length === replicas && pods.every(isReady);
      });
    }
    assert.equal((await sets(plane)).length, 1);
    assert.equal(progressing(await get(plane)), 'NewReplicaSetAvailable', 'scaling is no rollout');
  });

  for (const [maxSurge, maxUnavailable] of [
    [1, 0],
    [0, 1],
    [3, 2],
    ['50%', '50%'],
  ] as const) {
    test(`is updated with surge ${maxSurge}, unavailable ${maxUnavailable}, never outside of these`, async () => {
      await using plane = await ControlPlane.start();
      const strategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } };
      await plane.registry.create(deploymentKind, deployment('web', { replicas: 6, strategy }));
      await untilRolledOut(plane, 'web');
      const abort = new AbortController();
      const { seen, begin } = watchBounds(plane, abort.signal);
      await begin();
      await changeDeployment(plane, 'web', setImage('v2'));
      await untilRolledOut(plane, 'web');
      abort.abort();
      assert.deepEqual(
        await images(plane),
        Array.from({ length: 6 }, () => 'v2'),
      );
      const amount = (value: number | string) => (typeof value === 'number' ? value : 3);
      assert.ok(seen.activeMax <= 6 + amount(maxSurge), `${seen.activeMax} at once`);
      assert.ok(seen.readyMin >= 6 - amount(maxUnavailable), `only ${seen.readyMin} ready`);
    });
  }

  test('with a bad image stops before it hurts, is reported after its deadline, and is undone', async () => {
    await using plane = await ControlPlane.start();
    await plane.registry.create(
      deploymentKind,
      deployment('web', { replicas: 4, progressDeadlineSeconds: 30 }),
    );
    await untilRolledOut(plane, 'web');
    const good = (await get(plane)).spec?.template;
    await changeDeployment(plane, 'web', setImage(brokenImage));
    await plane.until(
      'the rollout failed',
      async () => rolloutStatus(await get(plane)) === 'failed',
      120_000,
    );
    const ready = (await plane.pods('app=web')).filter((one) => isActive(one) && isReady(one));
    assert.equal(ready.length, 3, 'maxUnavailable of four is one');
    await changeDeployment(plane, 'web', (spec) => {
      if (good) spec.template = good;
    });
    await untilRolledOut(plane, 'web');
    assert.deepEqual(await images(plane), ['v1', 'v1', 'v1', 'v1']);
    assert.equal((await sets(plane)).length, 2, 'the first set was taken again');
    assert.equal((await get(plane)).metadata?.annotations?.['deployment.kubernetes.io/revision'], '3');
  });

  test('that is paused keeps its pods whatever is changed, and rolls out once when resumed', async () => {
    await using plane = await ControlPlane.start();
    await plane.registry.create(deploymentKind, deployment('web', { replicas: 2 }));
    await untilRolledOut(plane, 'web');
    await changeDeployment(plane, 'web', (spec) => void (spec.paused = true));
    await changeDeployment(plane, 'web', setImage('v2'));
    await changeDeployment(plane, 'web', setImage('v3'));
    await changeDeployment(plane, 'web', (spec) => void (spec.replicas = 3));
    await plane.until(
      'the resize is followed',
      async () => (await plane.pods()).filter(isReady).length === 3,
    );
    await plane.untilQuiet();
    assert.equal(progressing(await get(plane)), 'DeploymentPaused');
    assert.deepEqual(await images(plane), ['v1', 'v1', 'v1']);
    await changeDeployment(plane, 'web', (spec) => void delete spec.paused);
    await untilRolledOut(plane, 'web');
    assert.deepEqual(await images(plane), ['v3', 'v3', 'v3']);
    assert.equal((await sets(plane)).length, 2, 'v2 was never made');
  });

  test('with Recreate has no new pod beside an old one', async () => {
    await using plane = await ControlPlane.start();
    const strategy = { type: 'Recreate' };
    await plane.registry.create(deploymentKind, deployment('web', { replicas: 3, strategy }));
    await untilRolledOut(plane, 'web');
    const abort = new AbortController();
    const present = new Map<string, string>();
    const together = new Set<string>();
    const follow = async () => {
      for await (const change of plane.registry.watch(podKind, { signal: abort.signal })) {
        if (change.type === 'BOOKMARK') continue;
        const { metadata, spec } = change.object;
        if (change.type === 'DELETED') present.delete(metadata?.uid ?? '');
        else present.set(metadata?.uid ?? '', spec?.containers[0]?.image ?? '');
        together.add([...new Set(present.values())].sort().join('+'));
      }
    };
    void follow();
    await changeDeployment(plane, 'web', setImage('v2'));
    // At once a third template, while the second's pods may be in the making.
    await plane.until('new pods are made', async () => (await images(plane)).includes('v2'));
    await changeDeployment(plane, 'web', setImage('v3'));
    await untilRolledOut(plane, 'web');
    abort.abort();
    assert.deepEqual(await images(plane), ['v3', 'v3', 'v3']);
    assert.deepEqual([...together].sort(), ['', 'v1', 'v2', 'v3']);
  });

  test('keeps as many old sets as it shall, and tells the newest of its annotations', async () => {
    await using plane = await ControlPlane.start();
    await plane.registry.create(deploymentKind, deployment('web', { replicas: 1, revisionHistoryLimit: 1 }));
    for (const image of ['v1', 'v2', 'v3', 'v4']) {
      await changeDeployment(plane, 'web', setImage(image));
      await untilRolledOut(plane, 'web');
    }
    await plane.registry.mutate(deploymentKind, { namespace: 'default', name: 'web' }, ({ metadata }) => {
      (metadata ??= {}).annotations = { ...metadata.annotations, 'kubernetes.io/change-cause': 'because' };
    });
    await plane.until('the history is short', async () => (await sets(plane)).length === 2);
    await plane.until('the newest set knows the cause', async () =>
      (await sets(plane)).some(
        ({ metadata, spec }) =>
          spec?.replicas === 1 && metadata?.annotations?.['kubernetes.io/change-cause'] === 'because',
      ),
    );
  });

  test('whose pods are refused says so, and tries again with growing pauses', async () => {
    await using plane = await ControlPlane.start();
    await plane.registry.create(deploymentKind, deployment('web', { replicas: 3 }));
    await untilRolledOut(plane, 'web');
    let refused = 0;
    plane.refusesCreate = (kind) => {
      if (kind !== podKind.kind) return undefined;
      refused += 1;
      return new Error(`pods "web-${refused}" is forbidden`);
    };
    await changeDeployment(plane, 'web', (draft) => void (draft.replicas = 5));
    const failure = ({ status }: Deployment) =>
      status?.conditions?.find(({ type }) => type === 'ReplicaFailure');
    await plane.until('the failure shows', async () => failure(await get(plane))?.reason === 'FailedCreate');
    const before = refused;
    await plane.clock.advance(60_000);
    assert.ok(refused - before < 20, `${refused - before} attempts in a minute`);
    plane.refusesCreate = () => undefined;
    await untilRolledOut(plane, 'web', 120_000);
    await plane.until('the failure is gone', async () => failure(await get(plane)) === undefined);
  });

  test('adopts the sets and pods that an earlier one of its name left, and makes none beside them', async () => {
    await using plane = await ControlPlane.start();
    await plane.registry.create(deploymentKind, deployment('web', { replicas: 3 }));
    await untilRolledOut(plane, 'web');
    const before = await plane.podUids();
    await plane.registry.delete(
      deploymentKind,
      { namespace: 'default', name: 'web' },
      { propagationPolicy: 'Orphan' },
    );
    await plane.until('it is gone', async () => (await plane.find(deploymentKind, 'web')) === undefined);
    await plane.registry.create(deploymentKind, deployment('web', { replicas: 3 }));
    await untilRolledOut(plane, 'web');
    await plane.untilQuiet();
    assert.deepEqual(await plane.podUids(), before);
    const [set] = await sets(plane);
    assert.equal(set && controllerOf(set)?.uid, (await get(plane)).metadata?.uid);
  });

  test('of the same name as one whose set is still there takes another name for its own', async () => {
    await using plane = await ControlPlane.start();
    await plane.registry.create(deploymentKind, deployment('web', { replicas: 1 }));
    await untilRolledOut(plane, 'web');
    const [foreign] = await sets(plane);
    const name = foreign?.metadata?.name ?? '';
    await plane.registry.delete(
      deploymentKind,
      { namespace: 'default', name: 'web' },
      { propagationPolicy: 'Orphan' },
    );
    await plane.until('it is gone', async () => (await plane.find(deploymentKind, 'web')) === undefined);
    // Somebody else's by now: it cannot be adopted, but holds the name that the template's hash gives.
    await plane.registry.mutate(replicaSetKind, { namespace: 'default', name }, (draft) => {
      if (draft.metadata) draft.metadata.labels = { mine: 'yes' };
    });
    await plane.registry.create(deploymentKind, deployment('web', { replicas: 1 }));
    await untilRolledOut(plane, 'web');
    assert.equal((await get(plane)).status?.collisionCount, 1);
    assert.equal((await sets(plane)).length, 2);
  });
});

suite('a ReplicaSet', () => {
  test('lets a pod go that is relabelled, makes another, and takes it back', async () => {
    await using plane = await ControlPlane.start();
    await plane.registry.create(deploymentKind, deployment('web', { replicas: 2 }));
    await untilRolledOut(plane, 'web');
    const [one] = await plane.pods();
    const name = one?.metadata?.name ?? '';
    const at = { namespace: 'default', name };
    const relabel = (app: string) =>
      plane.registry.mutate(podKind, at, (draft) => {
        if (draft.metadata) draft.metadata.labels = { ...draft.metadata.labels, app };
      });
    await relabel('debug');
    await plane.until(
      'another is made',
      async () => (await plane.pods('app=web')).filter(isReady).length === 2,
    );
    assert.equal((await plane.registry.get(podKind, at)).metadata?.ownerReferences, undefined);
    await relabel('web');
    await plane.until('one of three goes', async () => (await plane.pods()).length === 2);
    await plane.untilQuiet();
    assert.equal((await plane.pods('app=web')).filter(isReady).length, 2);
  });

  for (let seed = 1; seed <= 6; seed += 1) {
    test(`that wants the same orphans as another shares no pod with it (seed ${seed})`, async () => {
      await using plane = await ControlPlane.start(['a'], seed);
      const abort = new AbortController();
      const shared: string[] = [];
      void (async () => {
        for await (const change of plane.registry.watch(podKind, { signal: abort.signal })) {
          if (change.type === 'BOOKMARK') continue;
          const { name, ownerReferences = [] } = change.object.metadata ?? {};
          if (ownerReferences.filter(({ controller }) => controller).length > 1) shared.push(name ?? '');
        }
      })();
      const labels = { app: 'web' };
      const template = { metadata: { labels }, spec: podSpec() };
      const set = (name: string): ReplicaSet => ({
        metadata: { name, namespace: 'default' },
        spec: { replicas: 3, selector: { matchLabels: labels }, template },
      });
      for (const name of ['one', 'two', 'three', 'four']) {
        await plane.registry.create(podKind, {
          ...pod(name),
          metadata: { name, namespace: 'default', labels },
        });
      }
      await plane.registry.create(replicaSetKind, set('left'));
      await plane.registry.create(replicaSetKind, set('right'));
      await plane.until('both have three', async () => (await plane.pods()).filter(isReady).length === 6);
      await plane.untilQuiet();
      abort.abort();
      assert.deepEqual(shared, []);
      const owners = (await plane.pods()).map((one) => controllerOf(one)?.name);
      assert.equal(owners.filter((name) => name === 'left').length, 3);
      assert.equal(owners.filter((name) => name === 'right').length, 3);
    });
  }

  test('replaces a pod that is deleted, and one that ended', async () => {
    await using plane = await ControlPlane.start();
    await plane.registry.create(deploymentKind, deployment('web', { replicas: 2 }));
    await untilRolledOut(plane, 'web');
    const [first, second] = await plane.pods();
    await plane.registry.delete(podKind, { namespace: 'default', name: first?.metadata?.name ?? '' });
    const ended = { namespace: 'default', name: second?.metadata?.name ?? '' };
    await plane.registry.mutate(podKind, ended, (draft) => void (draft.status = { phase: 'Failed' }), {
      subresource: 'status',
    });
    await plane.until(
      'two run',
      async () => (await plane.pods()).filter((one) => isActive(one) && isReady(one)).length === 2,
    );
  });
});
