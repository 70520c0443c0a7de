import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Pod, StatefulSet, StatefulSetSpec } from '../../../protocol/generated/models.ts';
import { nodeKind } from '../../../protocol/kinds/node.ts';
import { persistentVolumeClaimKind } from '../../../protocol/kinds/persistent-volume-claim.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { statefulSetKind } from '../../../protocol/kinds/stateful-set.ts';
import { ControlPlane, isActive, isReady } from './control-plane.ts';
import { podSpec } from './workloads.ts';

const at = { namespace: 'default', name: 'db' };

function statefulSet(spec: Partial<StatefulSetSpec> = {}): StatefulSet {
  const labels = { app: 'db' };
  return {
    metadata: { ...at },
    spec: {
      replicas: 3,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: podSpec() },
      ...spec,
    },
  };
}

async function untilReady(plane: ControlPlane, names: readonly string[], image = 'v1'): Promise<void> {
  await plane.until(`${names.join(', ')} are ready with ${image}`, async () => {
    const pods = await plane.pods('app=db');
    const found = pods.filter(
      (pod) => isActive(pod) && isReady(pod) && pod.spec?.containers[0]?.image === image,
    );
    return (
      pods.length === names.length &&
      names.every((name) => found.some(({ metadata }) => metadata?.name === name))
    );
  });
}

const change = (plane: ControlPlane, edit: (spec: StatefulSetSpec) => void) =>
  plane.registry.mutate(statefulSetKind, at, ({ spec }) => {
    if (spec) edit(spec);
  });

const setImage = (image: string) => (spec: StatefulSetSpec) => {
  const [container] = spec.template.spec?.containers ?? [];
  if (container) container.image = image;
};

/** What happened to the pods, in order: `+db-0` was made, `~db-0` got ready, `-db-0` is gone. */
function recordLives(plane: ControlPlane, signal: AbortSignal): string[] {
  const lives: string[] = [];
  const ready = new Set<string>();
  void (async () => {
    for await (const change of plane.registry.watch(podKind, { signal })) {
      if (change.type === 'BOOKMARK') continue;
      const { name = '', uid = '' } = change.object.metadata ?? {};
      if (change.type === 'ADDED') lives.push(`+${name}`);
      if (change.type === 'DELETED') lives.push(`-${name}`);
      if (change.type !== 'MODIFIED' || !isReady(change.object) || ready.has(uid)) continue;
      ready.add(uid);
      lives.push(`~${name}`);
    }
  })();
  return lives;
}

suite('a StatefulSet', () => {
  test('starts in order, scales down in reverse order, and is updated from the top', async () => {
    await using plane = await ControlPlane.start();
    using stop = new DisposableStack();
    const abort = new AbortController();
    stop.defer(() => abort.abort());
    const lives = recordLives(plane, abort.signal);
    await plane.registry.create(statefulSetKind, statefulSet());
    await untilReady(plane, ['db-0', 'db-1', 'db-2']);
    assert.deepEqual(lives, ['+db-0', '~db-0', '+db-1', '~db-1', '+db-2', '~db-2']);
    lives.length = 0;
    await change(plane, setImage('v2'));
    await untilReady(plane, ['db-0', 'db-1', 'db-2'], 'v2');
    const steps = ['db-2', 'db-1', 'db-0'].flatMap((name) => [`-${name}`, `+${name}`, `~${name}`]);
    assert.deepEqual(lives, steps);
    lives.length = 0;
    await change(plane, (spec) => void (spec.replicas = 1));
    await untilReady(plane, ['db-0'], 'v2');
    assert.deepEqual(lives, ['-db-2', '-db-1']);
    await plane.untilQuiet();
    const { status } = await plane.registry.get(statefulSetKind, at);
    assert.equal(status?.currentRevision, status?.updateRevision);
    assert.equal(status?.readyReplicas, 1);
  });

  test('keeps each replica its claims, and deletes those of replicas scaled away if it shall', async () => {
    await using plane = await ControlPlane.start();
    const claimSpec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };
    const claims = async () =>
      (await plane.registry.list(persistentVolumeClaimKind)).items
        .map(({ metadata }) => metadata?.name)
        .sort();
    await plane.registry.create(
      statefulSetKind,
      statefulSet({
        replicas: 2,
        volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: claimSpec }],
        persistentVolumeClaimRetentionPolicy: { whenScaled: 'Delete', whenDeleted: 'Retain' },
      }),
    );
    await untilReady(plane, ['db-0', 'db-1']);
    assert.deepEqual(await claims(), ['data-db-0', 'data-db-1']);
    await change(plane, (spec) => void (spec.replicas = 1));
    await plane.until('the claim went with its pod', async () => (await claims()).length === 1);
    await change(plane, (spec) => void (spec.replicas = 2));
    await untilReady(plane, ['db-0', 'db-1']);
    assert.deepEqual(await claims(), ['data-db-0', 'data-db-1']);
    await plane.registry.delete(statefulSetKind, at, { propagationPolicy: 'Background' });
    await plane.until('its pods are gone', async () => (await plane.pods()).length === 0);
    await plane.untilQuiet();
    assert.deepEqual(await claims(), ['data-db-0', 'data-db-1']);
  });

  test('has no second pod of an ordinal while a silent device may run the first, however long it takes', async () => {
    await using plane = await ControlPlane.start(['a', 'b']);
    const tolerations = [
      {
        key: 'node.kubernetes.io/unreachable',
        operator: 'Exists',
        effect: 'NoExecute',
        tolerationSeconds: 5,
      },
    ];
    const spec = podSpec('100m', 'v1', { tolerations });
    const labels = { app: 'db' };
    await plane.registry.create(
      statefulSetKind,
      statefulSet({ replicas: 2, podManagementPolicy: 'Parallel', template: { metadata: { labels }, spec } }),
    );
    await untilReady(plane, ['db-0', 'db-1']);
    const first = await plane.registry.get(podKind, { namespace: 'default', name: 'db-0' });
    const node = first.spec?.nodeName ?? '';
    await plane.setReady(node, 'Unknown');
    const shown = () => plane.find(podKind, 'db-0');
    await plane.until('it shall go', async () => (await shown())?.metadata?.deletionTimestamp !== undefined);
    await plane.clock.advance(600_000);
    assert.equal((await shown())?.metadata?.uid, first.metadata?.uid, 'the device has not let go of it');
    await plane.setReady(node, 'True');
    await untilReady(plane, ['db-0', 'db-1']);
    assert.notEqual((await shown())?.metadata?.uid, first.metadata?.uid);
  });

  test('goes on elsewhere when somebody vouches that the silent device is off', async () => {
    await using plane = await ControlPlane.start(['a', 'b']);
    await plane.registry.create(statefulSetKind, statefulSet({ replicas: 1 }));
    await untilReady(plane, ['db-0']);
    const first = await plane.registry.get(podKind, { namespace: 'default', name: 'db-0' });
    const node = first.spec?.nodeName ?? '';
    await plane.setReady(node, 'Unknown');
    await plane.clock.advance(60_000);
    assert.deepEqual(await plane.podUids(), new Set([first.metadata?.uid]));
    await plane.registry.mutate(nodeKind, { name: node }, (draft) => {
      const taint = { key: 'node.kubernetes.io/out-of-service', value: 'nodeshutdown', effect: 'NoExecute' };
      draft.spec = { ...draft.spec, taints: [...(draft.spec?.taints ?? []), taint] };
    });
    await plane.until('another runs elsewhere', async () => {
      const [pod] = await plane.pods();
      return pod !== undefined && isReady(pod) && pod.spec?.nodeName !== node;
    });
  });

  for (let seed = 1; seed <= 4; seed += 1) {
    test(`never has two pods of an ordinal, through crashes, silence and resizes (seed ${seed})`, async () => {
      await using plane = await ControlPlane.start(['a', 'b', 'c'], seed);
      const living = new Map<string, Set<string>>();
      const doubled: string[] = [];
      const abort = new AbortController();
      void (async () => {
        for await (const one of plane.registry.watch(podKind, { signal: abort.signal })) {
          if (one.type === 'BOOKMARK') continue;
          track(living, doubled, one);
        }
      })();
      const podManagementPolicy = seed % 2 === 0 ? 'Parallel' : 'OrderedReady';
      await plane.registry.create(statefulSetKind, statefulSet({ podManagementPolicy }));
      for (let round = 0; round < 8; round += 1) {
        await plane.clock.advance(below(plane, 400));
        await disturb(plane, round);
      }
      for (const node of ['a', 'b', 'c']) await plane.setReady(node, 'True');
      await change(plane, (spec) => void (spec.replicas = 3));
      await change(plane, setImage('end'));
      await untilReady(plane, ['db-0', 'db-1', 'db-2'], 'end');
      abort.abort();
      assert.deepEqual(doubled, []);
    });
  }
});

function track(
  living: Map<string, Set<string>>,
  doubled: string[],
  change: { type: string; object: Readonly<Pod> },
): void {
  const { name = '', uid = '' } = change.object.metadata ?? {};
  const uids = living.get(name) ?? new Set();
  living.set(name, uids);
  if (change.type === 'DELETED') uids.delete(uid);
  else uids.add(uid);
  if (uids.size > 1) doubled.push(name);
}

function below(plane: ControlPlane, limit: number): number {
  return Math.floor(plane.random.fraction() * limit);
}

async function disturb(plane: ControlPlane, round: number): Promise<void> {
  const node = ['a', 'b', 'c'][below(plane, 3)] ?? 'a';
  switch (below(plane, 5)) {
    case 0:
      await plane.crash();
      await plane.startWork();
      break;
    case 1:
      await plane.setReady(node, 'Unknown');
      break;
    case 2:
      await plane.setReady(node, 'True');
      break;
    case 3:
      await change(plane, setImage(`v${round}`));
      break;
    default:
      await change(plane, (spec) => void (spec.replicas = below(plane, 5)));
  }
}
