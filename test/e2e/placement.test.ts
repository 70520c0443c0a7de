import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Cluster } from './support/cluster.ts';
import { processDeployment } from './support/manifests.ts';
import { until } from './support/programs.ts';

describe('where pods go', { timeout: 200_000 }, () => {
  test('replicas go where there is room, a dead node gets none, and capacity is respected', async (t) => {
    const cluster = await Cluster.start(t);
    await cluster.addNodes(['a', 'b', 'dead']);
    const cpus = Number(
      (
        await cluster.json<{ status: { allocatable: { cpu: string } } }>(['get', 'node', 'a'])
      ).status.allocatable.cpu.replace(/^(\d+)m$/, (_all, millis: string) => String(Number(millis) / 1000)),
    );
    await cluster.agents.get('dead')?.kill('SIGKILL');
    await cluster.waitForNode('dead', 'Unknown');
    // Each node holds exactly two of these.
    const each = `${Math.floor((cpus * 1000) / 2.2)}m`;
    await cluster.apply(processDeployment('spread', { replicas: 5, cpu: each }));
    const placed = await cluster.readyPods('spread', 4);
    const count = (node: string) => placed.filter((pod) => pod.node === node).length;
    assert.deepEqual({ a: count('a'), b: count('b'), dead: count('dead') }, { a: 2, b: 2, dead: 0 });
    const waiting = (await cluster.pods('spread')).find((pod) => !pod.ready);
    assert.equal(waiting?.phase, 'Pending');
    assert.equal(waiting?.node, undefined);
    const described = await cluster.ok(['describe', 'pod', waiting?.name ?? '']);
    assert.match(described, /FailedScheduling.*0\/3 nodes are available: .*2 Insufficient cpu/);

    // Room comes back with the node, and the waiting pod takes it.
    await cluster.startAgent('dead');
    await cluster.readyPods('spread', 5);
    const late = (await cluster.pods('spread')).find((pod) => pod.uid === waiting?.uid);
    assert.equal(late?.node, 'dead');
  });

  test('selectors, taints and cordons are respected', async (t) => {
    const cluster = await Cluster.start(t);
    await cluster.startAgent('plain');
    await cluster.startAgent('special', { labels: 'disk=ssd' });
    await cluster.waitForNode('plain', 'True');
    await cluster.waitForNode('special', 'True');
    await cluster.apply(processDeployment('select', { replicas: 2, extra: 'nodeSelector: {disk: ssd}' }));
    assert.deepEqual(
      (await cluster.readyPods('select', 2)).map((pod) => pod.node),
      ['special', 'special'],
    );

    await cluster.ok(['taint', 'node', 'plain', 'only=me:NoSchedule']);
    await cluster.ok(['cordon', 'special']);
    await cluster.apply(processDeployment('nowhere'));
    await until('why not', async () => {
      const events = await cluster.ok(['get', 'events', '--field-selector=reason=FailedScheduling']);
      return (
        /1 node\(s\) had untolerated taint \{only: me\}/.test(events) &&
        /1 node\(s\) were unschedulable/.test(events)
      );
    });
    await cluster.ok(['uncordon', 'special']);
    const [pod] = await cluster.readyPods('nowhere', 1);
    assert.equal(pod?.node, 'special');
  });

  test('a pod that a device refuses says why and never runs there', async (t) => {
    const cluster = await Cluster.start(t);
    await cluster.addNodes(['first']);
    // The device has no such runtime: it must say so, and nothing may run.
    await cluster.apply(
      ['apiVersion: node.k8s.io/v1', 'kind: RuntimeClass', 'metadata: {name: wasm}', 'handler: wasm'].join(
        '\n',
      ),
    );
    await cluster.apply(
      processDeployment('veto').replace('runtimeClassName: process', 'runtimeClassName: wasm'),
    );
    await until('the refusal is told', async () => {
      const events = await cluster.ok(['get', 'events', '-o', 'custom-columns=R:.reason,M:.message']);
      return /wasm/.test(events);
    });
    const [pod] = await cluster.pods('veto');
    assert.notEqual(pod?.phase, 'Running');
  });
});
