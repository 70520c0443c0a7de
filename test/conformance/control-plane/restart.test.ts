import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { deploymentKind } from '../../../protocol/kinds/deployment.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { ControlPlane, isActive } from './control-plane.ts';
import { changeDeployment, deployment, setImage, untilRolledOut } from './workloads.ts';

/** Every change of pods, watched for what must never happen. */
function watchDecisions(plane: ControlPlane, signal: AbortSignal) {
  const nodes = new Map<string, string>();
  const active = new Set<string>();
  const seen = { moved: [] as string[], activeMax: 0 };
  void (async () => {
    for await (const change of plane.registry.watch(podKind, { signal })) {
      if (change.type === 'BOOKMARK') continue;
      const { metadata, spec } = change.object;
      const uid = metadata?.uid ?? '';
      const before = nodes.get(uid);
      if (before !== undefined && spec?.nodeName !== before) seen.moved.push(uid);
      if (spec?.nodeName) nodes.set(uid, spec.nodeName);
      if (change.type !== 'DELETED' && isActive(change.object)) active.add(uid);
      else active.delete(uid);
      seen.activeMax = Math.max(seen.activeMax, active.size);
    }
  })();
  return seen;
}

suite('a control plane that is killed and started again', () => {
  test('finds everything as it was, and writes nothing', async () => {
    await using plane = await ControlPlane.start();
    await plane.registry.create(deploymentKind, deployment('web', { replicas: 5 }));
    await untilRolledOut(plane, 'web');
    await plane.untilQuiet();
    const { revision } = plane.store;
    for (let life = 0; life < 3; life += 1) {
      await plane.crash();
      await plane.startWork();
      await plane.untilQuiet();
    }
    assert.equal(plane.store.revision, revision);
  });

  for (let seed = 1; seed <= 12; seed += 1) {
    test(`at random moments of a rollout doubles nothing and moves nothing (seed ${seed})`, async () => {
      await using plane = await ControlPlane.start(['a', 'b', 'c'], seed);
      const abort = new AbortController();
      const strategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge: 2, maxUnavailable: 1 } };
      await plane.registry.create(deploymentKind, deployment('web', { replicas: 8, strategy }));
      const seen = watchDecisions(plane, abort.signal);
      for (const image of ['v1', 'v2', 'v3']) {
        await changeDeployment(plane, 'web', setImage(image));
        for (let lives = 0; lives < 4; lives += 1) {
          await plane.clock.advance(plane.random.fraction() * 60);
          await plane.crash();
          await plane.startWork();
        }
        await untilRolledOut(plane, 'web');
        assert.ok(seen.activeMax <= 10, `${seen.activeMax} pods at once`);
      }
      await plane.untilQuiet();
      abort.abort();
      assert.deepEqual(seen.moved, []);
      const pods = await plane.pods();
      assert.deepEqual(
        pods.map(({ spec }) => spec?.containers[0]?.image),
        Array.from({ length: 8 }, () => 'v3'),
      );
    });
  }
});
