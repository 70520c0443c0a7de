import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Node, NodeSpec } from '../../../protocol/generated/models.ts';
import { deploymentKind } from '../../../protocol/kinds/deployment.ts';
import { nodeKind } from '../../../protocol/kinds/node.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { ControlPlane, isActive, isReady } from './control-plane.ts';
import { deployment, pod, untilRolledOut } from './workloads.ts';

const onNode = async (plane: ControlPlane, node: string) =>
  (await plane.pods()).filter((one) => one.spec?.nodeName === node && isActive(one)).length;

async function changeNode(
  plane: ControlPlane,
  name: string,
  change: (spec: NodeSpec) => void,
): Promise<void> {
  await plane.registry.mutate(nodeKind, { name }, (draft: Node) => change((draft.spec ??= {})));
}

suite('a node', () => {
  test('that is cordoned gets no new pods, keeps those it has, and is tainted as long', async () => {
    await using plane = await ControlPlane.start(['a', 'b']);
    await plane.registry.create(deploymentKind, deployment('web', { replicas: 4 }));
    await untilRolledOut(plane, 'web');
    const before = await onNode(plane, 'a');
    await changeNode(plane, 'a', (spec) => void (spec.unschedulable = true));
    await plane.registry.create(deploymentKind, deployment('more', { replicas: 4 }));
    await untilRolledOut(plane, 'more');
    assert.equal(await onNode(plane, 'a'), before);
    const taints = async () => (await plane.find(nodeKind, 'a'))?.spec?.taints?.map(({ key }) => key) ?? [];
    assert.deepEqual(await taints(), ['node.kubernetes.io/unschedulable']);
    await changeNode(plane, 'a', (spec) => void delete spec.unschedulable);
    await plane.until('the taint is gone', async () => (await taints()).length === 0);
  });

  test('with a NoExecute taint loses the pods that do not tolerate it, others after their time', async () => {
    await using plane = await ControlPlane.start(['a']);
    const tolerating = (tolerationSeconds?: number) => ({
      tolerations: [
        {
          key: 'wet',
          operator: 'Exists',
          effect: 'NoExecute',
          ...(tolerationSeconds === undefined ? {} : { tolerationSeconds }),
        },
      ],
    });
    await plane.registry.create(podKind, pod('never'));
    await plane.registry.create(podKind, pod('while', '100m', tolerating(30)));
    await plane.registry.create(podKind, pod('always', '100m', tolerating()));
    await plane.until('all run', async () => (await plane.pods()).filter(isReady).length === 3);
    await changeNode(plane, 'a', (spec) => void (spec.taints = [{ key: 'wet', effect: 'NoExecute' }]));
    const names = async () => new Set((await plane.pods()).map(({ metadata }) => metadata?.name));
    await plane.until('one is gone', async () => (await names()).size === 2);
    assert.deepEqual(await names(), new Set(['always', 'while']));
    await plane.clock.advance(25_000);
    assert.deepEqual(await names(), new Set(['always', 'while']));
    await plane.crash();
    await plane.startWork();
    await plane.until('its time is over', async () => (await names()).size === 1, 8_000);
    await plane.clock.advance(3_600_000);
    assert.deepEqual(await names(), new Set(['always']));
  });

  test('that falls silent keeps its pods: they are presumed running, nothing is doubled, nothing restarts', async () => {
    await using plane = await ControlPlane.start(['a', 'b']);
    await plane.registry.create(deploymentKind, deployment('web', { replicas: 4 }));
    await untilRolledOut(plane, 'web');
    const before = await plane.podUids();
    await plane.setReady('a', 'Unknown');
    await plane.clock.advance(6 * 3_600_000);
    await plane.setReady('a', 'True');
    await plane.untilQuiet();
    assert.deepEqual(await plane.podUids(), before);
  });

  test('that is silent gets pods that tolerate it, and loses those whose time is limited', async () => {
    await using plane = await ControlPlane.start(['a', 'b']);
    const failover = {
      tolerations: [
        {
          key: 'node.kubernetes.io/unreachable',
          operator: 'Exists',
          effect: 'NoExecute',
          tolerationSeconds: 60,
        },
      ],
    };
    const { containers } = pod('x').spec ?? { containers: [] };
    await plane.registry.create(
      deploymentKind,
      deployment('web', { replicas: 2 }, { containers, ...failover }),
    );
    await untilRolledOut(plane, 'web');
    await plane.setReady('a', 'Unknown');
    await plane.clock.advance(50_000);
    assert.equal((await plane.pods()).filter(isActive).length, 2);
    await plane.until('it is replaced', async () => (await onNode(plane, 'b')) === 2, 20_000);
    const terminating = (await plane.pods()).filter((one) => !isActive(one));
    assert.equal(terminating.length, 1, 'until the device confirms it');
    const pinned = { nodeSelector: { silent: 'yes' }, tolerations: [{ operator: 'Exists' }] };
    await plane.registry.mutate(nodeKind, { name: 'a' }, (draft) => {
      if (draft.metadata) draft.metadata.labels = { ...draft.metadata.labels, silent: 'yes' };
    });
    await plane.registry.create(podKind, pod('agent', '100m', pinned));
    await plane.until(
      'it is bound',
      async () => (await plane.find(podKind, 'agent'))?.spec?.nodeName === 'a',
    );
  });

  test('loses no pod while all are silent, nor when the others are back, before its time', async () => {
    await using plane = await ControlPlane.start(['a', 'b']);
    const { containers } = pod('x').spec ?? { containers: [] };
    const unreachable = { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute' };
    const template = { containers, tolerations: [{ ...unreachable, tolerationSeconds: 60 }] };
    await plane.registry.create(deploymentKind, deployment('web', { replicas: 2 }, template));
    await untilRolledOut(plane, 'web');
    const before = await plane.podUids();
    for (const node of ['a', 'b']) await plane.setReady(node, 'Unknown');
    await plane.clock.advance(3_600_000);
    assert.equal((await plane.pods()).filter(isActive).length, 2);
    await plane.setReady('b', 'True');
    await plane.clock.advance(50_000);
    assert.deepEqual(await plane.podUids(), before);
    await plane.until('it is replaced', async () => (await onNode(plane, 'b')) === 2, 20_000);
  });

  test('that is deleted takes its pods with it, and they are replaced elsewhere', async () => {
    await using plane = await ControlPlane.start(['a', 'b']);
    await plane.registry.create(deploymentKind, deployment('web', { replicas: 4 }));
    await untilRolledOut(plane, 'web');
    plane.kubelets.disconnect('a');
    await plane.registry.delete(nodeKind, { name: 'a' });
    await plane.until('all run on b', async () => (await onNode(plane, 'b')) === 4, 5_000);
    assert.equal((await plane.pods()).length, 4);
  });

  test('that was never there has time to come before the pods that name it go', async () => {
    await using plane = await ControlPlane.start(['a']);
    await plane.registry.create(podKind, pod('early', '100m', { nodeName: 'joining' }));
    await plane.registry.create(podKind, pod('lost', '100m', { nodeName: 'nowhere' }));
    await plane.clock.advance(30_000);
    await plane.addNode('joining');
    await plane.until('the other is gone', async () => !(await plane.find(podKind, 'lost')), 15_000);
    await plane.clock.advance(60_000);
    assert.ok(isReady((await plane.find(podKind, 'early')) ?? {}));
  });
});
