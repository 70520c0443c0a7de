import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { PodDisruptionBudget } from '../../../../protocol/generated/models.ts';
import { fitsNode } from '../../../../server/scheduler/choose-node.ts';
import type { PodRequest } from '../../../../server/scheduler/pod-request.ts';
import { choosePreemption } from '../../../../server/scheduler/preemption.ts';
import { schedulingWorld, type World } from './scheduling-world.ts';

const preempt = (world: World, pod: PodRequest, budgets: PodDisruptionBudget[] = []) => {
  const { fleet } = world;
  const found = choosePreemption(pod, world.judges(pod), { fleet, curable: fleet.nodes, budgets });
  return found && { node: found.node.name, victims: found.victims.map(({ uid }) => uid) };
};
const budget = (app: string, disruptionsAllowed: number): PodDisruptionBudget => ({
  metadata: { name: app, namespace: 'default' },
  spec: { selector: { matchLabels: { app } } },
  status: { disruptionsAllowed, currentHealthy: 1, desiredHealthy: 1, expectedPods: 1 },
});

test('no more pods go than must, the least important first', async () => {
  await using world = await schedulingWorld();
  world.node('n', { cpu: '3' });
  world.pod('low', { cpu: '1', priority: 1, node: 'n' });
  world.pod('lower', { cpu: '1', priority: 0, node: 'n' });
  world.pod('mid', { cpu: '1', priority: 5, node: 'n' });
  assert.deepEqual(preempt(world, world.pod('x', { cpu: '1', priority: 9 })), {
    node: 'n',
    victims: ['lower'],
  });
  assert.deepEqual(preempt(world, world.pod('y', { cpu: '2', priority: 9 }))?.victims, ['low', 'lower']);
  assert.equal(preempt(world, world.pod('z', { cpu: '1', priority: 0 })), undefined, 'its equals stay');
  assert.equal(preempt(world, world.pod('w', { cpu: '9', priority: 9 })), undefined, 'nobody’s going helps');
});

test('nodes are compared by budgets, then importance, then number, then age of the victims', async () => {
  await using world = await schedulingWorld();
  for (const name of ['guarded', 'important', 'many', 'old', 'young']) world.node(name, { cpu: '2' });
  const started = (hour: number) => ({ startTime: `2026-01-01T0${hour}:00:00Z` });
  world.pod('g', { cpu: '2', node: 'guarded', labels: { app: 'g' } });
  world.pod('i', { cpu: '2', node: 'important', priority: 3 });
  world.pod('m1', { cpu: '1', node: 'many' });
  world.pod('m2', { cpu: '1', node: 'many' });
  world.pod('o', { cpu: '2', node: 'old', ...started(1) });
  world.pod('y', { cpu: '2', node: 'young', ...started(2) });
  const pod = world.pod('x', { cpu: '2', priority: 9 });
  const order: string[] = [];
  for (let round = 0; round < 5; round += 1) {
    const found = preempt(world, pod, [budget('g', 0)]);
    order.push(found?.node ?? '');
    world.removeNode(found?.node ?? '');
  }
  assert.deepEqual(order, ['young', 'old', 'many', 'important', 'guarded']);
});

test('whoever is chosen: all are less important, the pod fits without them, and not with any one of them', async () => {
  await using world = await schedulingWorld();
  const running = fc.record({ node: fc.nat(2), cpu: fc.integer({ min: 1, max: 4 }), priority: fc.nat(3) });
  for (const name of ['n0', 'n1', 'n2']) world.node(name, { cpu: '6' });
  fc.assert(
    fc.property(fc.array(running, { maxLength: 9 }), fc.integer({ min: 1, max: 6 }), (pods, cpu) => {
      for (const [index, { node, ...facts }] of pods.entries())
        world.pod(`p${index}`, { node: `n${node}`, priority: facts.priority, cpu: String(facts.cpu) });
      const before = world.fleet.nodes.map(({ requested, pods: held }) => [requested['cpu'], held.size]);
      const pod = world.pod('x', { cpu: String(cpu), priority: 2 });
      const judges = world.judges(pod);
      const curable = world.fleet.nodes;
      const found = choosePreemption(pod, judges, { fleet: world.fleet, curable, budgets: [] });
      assert.deepEqual(
        world.fleet.nodes.map(({ requested, pods: held }) => [requested['cpu'], held.size]),
        before,
        'only thought away',
      );
      if (found && !world.fleet.nodes.some((node) => fitsNode(judges, node))) {
        assert.ok(found.victims.every(({ priority }) => priority < 2));
        world.fleet.without(found.node, found.victims, ({ putBack, take }) => {
          assert.ok(fitsNode(judges, found.node));
          for (const victim of found.victims) {
            putBack(victim);
            assert.ok(!fitsNode(judges, found.node));
            take(victim);
          }
        });
      }
      for (const index of pods.keys()) world.removePod(`p${index}`);
    }),
    { numRuns: 100 },
  );
});
