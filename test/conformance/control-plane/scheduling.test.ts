import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Node, Pod } from '../../../protocol/generated/models.ts';
import { deploymentKind } from '../../../protocol/kinds/deployment.ts';
import { nodeKind } from '../../../protocol/kinds/node.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { ControlPlane, isActive, isReady } from './control-plane.ts';
import { changeDeployment, deployment, pod, podSpec, untilRolledOut } from './workloads.ts';

const unschedulable = ({ status }: Pod) =>
  status?.conditions?.find(({ type, status: value }) => type === 'PodScheduled' && value === 'False');

const milliCores = ({ spec }: Readonly<Pod>) =>
  Number.parseInt(spec?.containers[0]?.resources?.requests?.cpu?.replace(/^(\d+)$/, '$1000') ?? '0', 10);

async function allocate(plane: ControlPlane, name: string, cpu: string): Promise<void> {
  const change = ({ status }: Node) => {
    if (status) status.allocatable = { ...status.allocatable, cpu };
  };
  await plane.registry.mutate(nodeKind, { name }, change, { subresource: 'status' });
}

suite('a pod that fits nowhere', () => {
  test('says why, and is placed when a pod goes, a node comes or grows', async () => {
    await using plane = await ControlPlane.start([{ name: 'a', cpu: '1' }]);
    await plane.registry.create(podKind, pod('first', '800m'));
    await plane.until('it runs', async () => isReady((await plane.find(podKind, 'first')) ?? {}));
    for (const name of ['second', 'third', 'fourth']) await plane.registry.create(podKind, pod(name, '800m'));
    await plane.until('all say why', async () => (await plane.pods()).filter(unschedulable).length === 3);
    assert.equal(
      unschedulable((await plane.find(podKind, 'third')) ?? {})?.message,
      '0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.',
    );
    const bound = async () => (await plane.pods()).filter(({ spec }) => spec?.nodeName).length;
    await plane.registry.delete(podKind, { namespace: 'default', name: 'first' });
    await plane.until('one is placed', async () => (await bound()) === 1, 2_000);
    await plane.addNode({ name: 'b', cpu: '1' });
    await plane.until('two are placed', async () => (await bound()) === 2, 2_000);
    await allocate(plane, 'b', '2');
    await plane.until('all are placed', async () => (await bound()) === 3, 2_000);
  });

  test('does not make the server busy: heartbeats and the ends of others cost no writes', async () => {
    await using plane = await ControlPlane.start([{ name: 'a', cpu: '1' }]);
    for (let index = 0; index < 50; index += 1) await plane.registry.create(podKind, pod(`big${index}`, '5'));
    await plane.until('all say why', async () => (await plane.pods()).filter(unschedulable).length === 50);
    await plane.untilQuiet();
    const { revision } = plane.store;
    for (let beat = 0; beat < 5; beat += 1) {
      const change = ({ status }: Node) => {
        const [ready] = status?.conditions ?? [];
        if (ready) ready.lastHeartbeatTime = new Date(plane.clock.now()).toISOString();
      };
      await plane.registry.mutate(nodeKind, { name: 'a' }, change, { subresource: 'status' });
      await plane.untilQuiet(500);
    }
    assert.equal(plane.store.revision - revision, 5, 'the heartbeats alone');
  });

  test('lets smaller ones pass', async () => {
    await using plane = await ControlPlane.start([{ name: 'a', cpu: '1' }]);
    await plane.registry.create(podKind, pod('big', '5'));
    await plane.registry.create(podKind, pod('small', '500m'));
    await plane.until('it runs', async () => isReady((await plane.find(podKind, 'small')) ?? {}));
  });
});

suite('a device that refuses a pod', () => {
  test('is not asked again soon, and the pod runs elsewhere', async () => {
    await using plane = await ControlPlane.start(['a', 'b']);
    plane.kubelets.admits = (node) => node !== 'a';
    await plane.registry.create(deploymentKind, deployment('web', { replicas: 6 }));
    await untilRolledOut(plane, 'web', 10_000);
    assert.ok((await plane.pods()).every(({ spec }) => spec?.nodeName === 'b'));
  });

  test('is asked again after a while, less and less often, and at once when it has changed', async () => {
    await using plane = await ControlPlane.start(['a']);
    const asked: number[] = [];
    plane.kubelets.admits = () => {
      asked.push(plane.clock.monotonic());
      return false;
    };
    await plane.registry.create(podKind, pod('p'));
    await plane.until('it was asked five times', () => asked.length === 5, 600_000);
    const pauses = asked.slice(1).map((at, index) => Math.round((at - (asked[index] ?? 0)) / 10_000) * 10);
    assert.deepEqual(pauses, [30, 60, 120, 240]);
    plane.kubelets.admits = () => true;
    await plane.untilQuiet();
    await allocate(plane, 'a', '8');
    await plane.until('it runs', async () => isReady((await plane.find(podKind, 'p')) ?? {}), 2_000);
  });
});

/** Nodes with 2, 3, 4, … cores. */
const churned = ['a', 'b', 'c', 'd', 'e', 'f'];

suite('with two hundred pods in random churn', () => {
  for (const seed of [1, 2, 3, 4]) {
    test(`no node ever carries more than it has, and what can run does (seed ${seed})`, async () => {
      await using plane = await ControlPlane.start([], seed);
      for (const [index, name] of churned.entries())
        await plane.addNode({ name, cpu: `${index + 2}`, pods: '40' });
      const abort = new AbortController();
      const overfull = watchCapacity(plane, abort.signal);
      const pick = <T>(items: readonly T[]): T | undefined =>
        items[Math.floor(plane.random.fraction() * items.length)];
      plane.kubelets.admits = () => plane.random.fraction() > 0.05;
      await plane.registry.create(deploymentKind, deployment('web', { replicas: 60 }));
      for (let made = 0; made < 140; made += 1) {
        const cpu = `${100 + 50 * Math.floor(plane.random.fraction() * 12)}m`;
        await plane.registry.create(podKind, pod(`p${made}`, cpu));
        await churn(plane, pick(await plane.pods()), pick(churned) ?? 'a');
        if (made % 3 === 0) await plane.clock.advance(plane.random.fraction() * 40);
      }
      plane.kubelets.admits = () => true;
      for (const node of churned) await plane.setReady(node, 'True');
      // Refusals hold for half a minute at first.
      await plane.clock.advance(120_000);
      await plane.untilQuiet();
      abort.abort();
      assert.deepEqual(overfull, []);
      const free = await freeCapacity(plane);
      for (const waiting of (await plane.pods()).filter((one) => isActive(one) && !one.spec?.nodeName)) {
        assert.ok(
          [...free.values()].every((cpu) => cpu < milliCores(waiting)),
          `${waiting.metadata?.name} would fit`,
        );
      }
    });
  }
});

async function churn(plane: ControlPlane, victim: Pod | undefined, node: string): Promise<void> {
  const dice = plane.random.fraction();
  const at = { namespace: 'default', name: victim?.metadata?.name ?? '' };
  if (dice < 0.25 && victim) await plane.registry.delete(podKind, at).catch(() => {});
  else if (dice < 0.35 && victim?.spec?.nodeName) {
    const end = (draft: Pod) => void (draft.status = { ...draft.status, phase: 'Succeeded' });
    await plane.registry.mutate(podKind, at, end, { subresource: 'status' }).catch(() => {});
  } else if (dice < 0.4) await plane.setReady(node, 'Unknown');
  else if (dice < 0.5) await plane.setReady(node, 'True');
  else if (dice < 0.55) {
    const replicas = Math.floor(plane.random.fraction() * 60);
    await changeDeployment(plane, 'web', (spec) => void (spec.replicas = replicas));
  }
}

/** Every moment at which a node carried more than it has. */
function watchCapacity(plane: ControlPlane, signal: AbortSignal): string[] {
  const overfull: string[] = [];
  const placed = new Map<string, { node: string; cpu: number }>();
  const capacity = new Map(churned.map((name, index) => [name, (index + 2) * 1000]));
  void (async () => {
    for await (const change of plane.registry.watch(podKind, { signal })) {
      if (change.type === 'BOOKMARK') continue;
      const { metadata, spec, status } = change.object;
      const uid = metadata?.uid ?? '';
      const ended = status?.phase === 'Succeeded' || status?.phase === 'Failed';
      if (change.type === 'DELETED' || ended || !spec?.nodeName) placed.delete(uid);
      else placed.set(uid, { node: spec.nodeName, cpu: milliCores(change.object) });
      const node = spec?.nodeName ?? '';
      const carried = [...placed.values()]
        .filter((one) => one.node === node)
        .reduce((sum, { cpu }) => sum + cpu, 0);
      if (carried > (capacity.get(node) ?? Number.POSITIVE_INFINITY))
        overfull.push(`${node} carried ${carried}m`);
    }
  })();
  return overfull;
}

async function freeCapacity(plane: ControlPlane): Promise<Map<string, number>> {
  const free = new Map(churned.map((name, index) => [name, (index + 2) * 1000]));
  for (const one of await plane.pods()) {
    const ended = one.status?.phase === 'Succeeded' || one.status?.phase === 'Failed';
    const node = one.spec?.nodeName;
    if (node && !ended) free.set(node, (free.get(node) ?? 0) - milliCores(one));
  }
  return free;
}

test('a gated pod is left alone until its gates are gone', async () => {
  await using plane = await ControlPlane.start(['a']);
  const gated = pod('p');
  gated.spec = podSpec('100m', 'v1', { schedulingGates: [{ name: 'example.dev/gate' }] });
  await plane.registry.create(podKind, gated);
  await plane.untilQuiet();
  assert.equal((await plane.find(podKind, 'p'))?.spec?.nodeName, undefined);
  await plane.registry.mutate(podKind, { namespace: 'default', name: 'p' }, ({ spec }) => {
    if (spec) spec.schedulingGates = [];
  });
  await plane.until('it runs', async () => isReady((await plane.find(podKind, 'p')) ?? {}));
});
