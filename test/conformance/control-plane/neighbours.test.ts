import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { PersistentVolumeClaim, Pod } from '../../../protocol/generated/models.ts';
import { deploymentKind } from '../../../protocol/kinds/deployment.ts';
import { persistentVolumeKind } from '../../../protocol/kinds/persistent-volume.ts';
import { persistentVolumeClaimKind } from '../../../protocol/kinds/persistent-volume-claim.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { podDisruptionBudgetKind } from '../../../protocol/kinds/pod-disruption-budget.ts';
import { storageClassKind } from '../../../protocol/kinds/storage-class.ts';
import { ControlPlane, isReady } from './control-plane.ts';
import { deployment, pod, podSpec, untilRolledOut } from './workloads.ts';

const zone = 'topology.kubernetes.io/zone';
const zoned = (name: string, at: string, cpu = '4') => ({ name, cpu, labels: { [zone]: at } });
const nodeOf = async (plane: ControlPlane, name: string) => (await plane.find(podKind, name))?.spec?.nodeName;
const runs = async (plane: ControlPlane, name: string) => isReady((await plane.find(podKind, name)) ?? {});
const important = (name: string, cpu: string, priority = 1000): Pod => pod(name, cpu, { priority });

suite('spread and anti-affinity', () => {
  test('replicas are even over zones, one a node, and those that wait run when their neighbours go', async () => {
    const nodes = [zoned('a', 'east'), zoned('b', 'east'), zoned('c', 'west')];
    await using plane = await ControlPlane.start(nodes);
    const labelSelector = { matchLabels: { app: 'web' } };
    const apart = {
      podAntiAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          { labelSelector, topologyKey: 'kubernetes.io/hostname' },
        ],
      },
    };
    for (const name of ['a', 'b', 'c']) await plane.label(name, { 'kubernetes.io/hostname': name });
    await plane.registry.create(
      deploymentKind,
      deployment('web', { replicas: 4 }, podSpec('100m', 'v1', { affinity: apart })),
    );
    await plane.until('three run', async () => (await plane.pods()).filter(isReady).length === 3);
    const nodesOf = (await plane.pods()).flatMap(({ spec }) => spec?.nodeName ?? []);
    assert.deepEqual(nodesOf.sort(), ['a', 'b', 'c']);
    await plane.addNode(zoned('d', 'west'));
    await plane.label('d', { 'kubernetes.io/hostname': 'd' });
    await plane.until(
      'the fourth runs on the new node',
      async () => (await plane.pods()).filter(isReady).length === 4,
      5_000,
    );
  });

  test('one that waits for a neighbour runs as soon as the neighbour is placed', async () => {
    await using plane = await ControlPlane.start([zoned('a', 'east'), zoned('b', 'west')]);
    const near = {
      podAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          { labelSelector: { matchLabels: { name: 'db' } }, topologyKey: zone },
        ],
      },
    };
    await plane.registry.create(podKind, pod('web', '100m', { affinity: near }));
    await plane.untilQuiet();
    assert.equal(await nodeOf(plane, 'web'), undefined);
    await plane.registry.create(podKind, pod('db', '100m', { nodeSelector: { [zone]: 'west' } }));
    await plane.until('it runs', () => runs(plane, 'web'), 5_000);
    assert.equal(await nodeOf(plane, 'web'), 'b');
  });
});

suite('preemption', () => {
  test('less important pods go, those that a budget guards last, and the room is kept for whom it was made', async () => {
    await using plane = await ControlPlane.start([
      { name: 'a', cpu: '2' },
      { name: 'b', cpu: '2' },
    ]);
    for (const name of ['guarded', 'free']) {
      const made = pod(name, '2');
      made.metadata = { ...made.metadata, labels: { app: name } };
      await plane.registry.create(podKind, made);
    }
    await plane.registry.create(podDisruptionBudgetKind, {
      metadata: { name: 'guard', namespace: 'default' },
      spec: { minAvailable: 1, selector: { matchLabels: { app: 'guarded' } } },
    });
    await plane.until('both run', async () => (await runs(plane, 'guarded')) && (await runs(plane, 'free')));
    await plane.untilQuiet();
    const freed = await nodeOf(plane, 'free');
    await plane.registry.create(podKind, important('boss', '1500m'));
    await plane.registry.create(podKind, pod('thief', '1500m'));
    await plane.until('it runs', () => runs(plane, 'boss'));
    assert.equal(await nodeOf(plane, 'boss'), freed);
    assert.ok(await runs(plane, 'guarded'));
    assert.equal(await nodeOf(plane, 'thief'), undefined);
    assert.equal(await plane.find(podKind, 'free'), undefined);
  });

  test('a pod that never preempts waits, and says so', async () => {
    await using plane = await ControlPlane.start([{ name: 'a', cpu: '1' }]);
    await plane.registry.create(podKind, pod('small', '1'));
    await plane.until('it runs', () => runs(plane, 'small'));
    const polite = important('polite', '1');
    polite.spec = { ...podSpec('1'), priority: 1000, preemptionPolicy: 'Never' };
    await plane.registry.create(podKind, polite);
    await plane.untilQuiet();
    assert.ok(await runs(plane, 'small'));
    const told = (await plane.find(podKind, 'polite'))?.status?.conditions?.[0]?.message ?? '';
    assert.match(told, /preemption: 0\/1 nodes are available: 1 No preemption victims found/);
  });

  test('no more pods are told to go while those that were told are going', async () => {
    await using plane = await ControlPlane.start([{ name: 'a', cpu: '3' }]);
    for (const name of ['one', 'two', 'three']) {
      const slow = pod(name, '1');
      slow.spec = { ...podSpec('1'), terminationGracePeriodSeconds: 30 };
      await plane.registry.create(podKind, slow);
    }
    await plane.until('they run', async () => (await plane.pods()).filter(isReady).length === 3);
    await plane.registry.create(podKind, important('boss', '1'));
    await plane.until('it runs', () => runs(plane, 'boss'), 120_000);
    assert.equal((await plane.pods()).filter(({ spec }) => spec?.priority === undefined).length, 2);
  });
});

suite('volumes', () => {
  const claim = (storageClassName: string): PersistentVolumeClaim => ({
    metadata: { name: 'data', namespace: 'default' },
    spec: { storageClassName, accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  });
  const user = () =>
    pod('db', '100m', { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }] });

  test('a pod goes where the volume of its claim is, and waits for a claim that is not there', async () => {
    await using plane = await ControlPlane.start(['a', 'b']);
    await plane.registry.create(storageClassKind, {
      metadata: { name: 'local' },
      provisioner: 'kubernetes.io/no-provisioner',
      volumeBindingMode: 'WaitForFirstConsumer',
    });
    await plane.registry.create(podKind, user());
    await plane.untilQuiet();
    const told = (await plane.find(podKind, 'db'))?.status?.conditions?.[0]?.message ?? '';
    assert.match(told, /persistentvolumeclaim "data" not found/);
    await plane.registry.create(persistentVolumeClaimKind, claim('local'));
    await plane.untilQuiet();
    assert.match(
      (await plane.find(podKind, 'db'))?.status?.conditions?.[0]?.message ?? '',
      /2 node\(s\) didn't find available persistent volumes to bind/,
    );
    const terms = [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['b'] }] }];
    await plane.registry.create(persistentVolumeKind, {
      metadata: { name: 'disk' },
      spec: {
        storageClassName: 'local',
        capacity: { storage: '2Gi' },
        accessModes: ['ReadWriteOnce'],
        local: { path: '/data' },
        nodeAffinity: { required: { nodeSelectorTerms: terms } },
      },
    });
    await plane.until('it runs', () => runs(plane, 'db'), 30_000);
    assert.equal(await nodeOf(plane, 'db'), 'b');
    const bound = await plane.find(persistentVolumeClaimKind, 'data');
    assert.equal(bound?.spec?.volumeName, 'disk');
    await plane.registry.create(deploymentKind, deployment('web', { replicas: 1 }));
    await untilRolledOut(plane, 'web');
  });
});
