import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { DaemonSet, DaemonSetSpec } from '../../../protocol/generated/models.ts';
import { controllerRevisionKind } from '../../../protocol/kinds/controller-revision.ts';
import { daemonSetKind } from '../../../protocol/kinds/daemon-set.ts';
import { nodeKind } from '../../../protocol/kinds/node.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { ControlPlane, isActive, isReady } from './control-plane.ts';
import { brokenImage } from './hollow-kubelets.ts';
import { podSpec } from './workloads.ts';

const at = { namespace: 'default', name: 'ds' };

function daemonSet(spec: Partial<DaemonSetSpec> = {}): DaemonSet {
  const labels = { app: 'ds' };
  return {
    metadata: { ...at },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: podSpec() },
      ...spec,
    },
  };
}

/** `a:v1` for each ready pod. */
async function running(plane: ControlPlane): Promise<string[]> {
  const pods = await plane.pods('app=ds');
  return pods
    .filter((pod) => isActive(pod) && isReady(pod))
    .map(({ spec }) => `${spec?.nodeName}:${spec?.containers[0]?.image}`)
    .sort();
}

const untilRunning = (plane: ControlPlane, wanted: readonly string[]) =>
  plane.until(`${wanted.join(', ')} run`, async () => (await running(plane)).join() === wanted.join());

const setImage = (plane: ControlPlane, image: string) =>
  plane.registry.mutate(daemonSetKind, at, ({ spec }) => {
    const [container] = spec?.template.spec?.containers ?? [];
    if (container) container.image = image;
  });

suite('a DaemonSet', () => {
  test('runs on every node, also on one that comes later, and leaves one that no longer fits', async () => {
    await using plane = await ControlPlane.start(['a', { name: 'b', labels: { disk: 'ssd' } }]);
    await plane.registry.create(daemonSetKind, daemonSet());
    await untilRunning(plane, ['a:v1', 'b:v1']);
    await plane.addNode('c');
    await untilRunning(plane, ['a:v1', 'b:v1', 'c:v1']);
    await plane.registry.mutate(daemonSetKind, at, ({ spec }) => {
      if (spec?.template.spec) spec.template.spec.nodeSelector = { disk: 'ssd' };
    });
    await untilRunning(plane, ['b:v1']);
    await plane.registry.mutate(nodeKind, { name: 'a' }, ({ metadata }) => {
      if (metadata) metadata.labels = { disk: 'ssd' };
    });
    await untilRunning(plane, ['a:v1', 'b:v1']);
  });

  test('whose update is bad stops at its bound, and is taken back to the revision before', async () => {
    await using plane = await ControlPlane.start(['a', 'b', 'c', 'd']);
    await plane.registry.create(daemonSetKind, daemonSet());
    await untilRunning(plane, ['a:v1', 'b:v1', 'c:v1', 'd:v1']);
    await plane.untilQuiet();
    await setImage(plane, brokenImage);
    await plane.until('one is taken', async () => (await running(plane)).length === 3);
    await plane.untilQuiet();
    assert.equal((await running(plane)).length, 3);
    await setImage(plane, 'v1');
    await untilRunning(plane, ['a:v1', 'b:v1', 'c:v1', 'd:v1']);
    const { items } = await plane.registry.list(controllerRevisionKind);
    assert.deepEqual(items.map(({ revision }) => revision).sort(), [2, 3], 'the first became the third');
  });

  test('is updated while devices are silent, and brings them up to date when they are back', async () => {
    await using plane = await ControlPlane.start(['a', 'b', 'c']);
    await plane.registry.create(daemonSetKind, daemonSet());
    await untilRunning(plane, ['a:v1', 'b:v1', 'c:v1']);
    await plane.setReady('a', 'Unknown');
    await plane.untilQuiet();
    const silentPod = (await plane.pods()).find(({ spec }) => spec?.nodeName === 'a');
    await setImage(plane, 'v2');
    await untilRunning(plane, ['a:v1', 'b:v2', 'c:v2']);
    await plane.untilQuiet();
    const { status } = await plane.registry.get(daemonSetKind, at);
    assert.deepEqual(
      [
        status?.desiredNumberScheduled,
        status?.updatedNumberScheduled,
        status?.numberAvailable,
        status?.numberMisscheduled,
      ],
      [2, 2, 2, 0],
    );
    assert.ok(
      await plane.find(podKind, silentPod?.metadata?.name ?? ''),
      'what a silent device runs is left alone',
    );
    await plane.setReady('a', 'True');
    await untilRunning(plane, ['a:v2', 'b:v2', 'c:v2']);
  });

  test('has never two pods on a node, through crashes, and makes none twice', async () => {
    await using plane = await ControlPlane.start(['a', 'b', 'c', 'd', 'e'], 7);
    const abort = new AbortController();
    const on = new Map<string, Set<string>>();
    const doubled: string[] = [];
    void (async () => {
      for await (const change of plane.registry.watch(podKind, { signal: abort.signal })) {
        if (change.type === 'BOOKMARK') continue;
        const { metadata, spec } = change.object;
        const node = spec?.nodeName ?? '';
        const uids = on.get(node) ?? new Set();
        on.set(node, uids);
        if (change.type === 'DELETED') uids.delete(metadata?.uid ?? '');
        else if (node) uids.add(metadata?.uid ?? '');
        if (uids.size > 1) doubled.push(node);
      }
    })();
    await plane.registry.create(
      daemonSetKind,
      daemonSet({ updateStrategy: { rollingUpdate: { maxUnavailable: 2 } } }),
    );
    for (let round = 1; round <= 6; round += 1) {
      await plane.clock.advance(Math.floor(plane.random.fraction() * 150));
      await setImage(plane, `v${round}`);
      await plane.clock.advance(Math.floor(plane.random.fraction() * 150));
      await plane.crash();
      await plane.startWork();
    }
    await untilRunning(plane, ['a:v6', 'b:v6', 'c:v6', 'd:v6', 'e:v6']);
    abort.abort();
    assert.deepEqual(doubled, []);
  });
});
