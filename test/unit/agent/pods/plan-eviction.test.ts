import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { evictedReason } from '../../../../agent/pods/plan-eviction.ts';
import { container, PodLife, pod, success } from './plan-cases.ts';

function evicted(life: PodLife): PodLife {
  const failed = { reason: evictedReason, message: 'The node was low on resource: memory. ' };
  life.state = { ...life.state, record: { ...life.state.record, failed } };
  return life;
}

suite('eviction', () => {
  test('what runs is killed without grace, then its room is given back; nothing starts again', () => {
    const life = evicted(new PodLife(pod({ containers: [container('a'), container('b')] })).settle());
    const rounds: string[][] = [];
    for (let steps = life.steps(); steps.length > 0; steps = life.steps()) {
      rounds.push(steps);
      for (const step of life.begin()) life.on(success(step, life.now));
    }
    assert.deepEqual(rounds, [['stop a-0 0', 'stop b-0 0'], ['remove sandbox sb']]);
  });

  test('it is Failed for that reason only when nothing runs any more', () => {
    const life = evicted(new PodLife(pod()).settle());
    assert.equal(life.status().phase, 'Running');
    const { phase, reason, message, conditions } = life.settle().status();
    assert.deepEqual(
      [phase, reason, message],
      ['Failed', 'Evicted', 'The node was low on resource: memory. '],
    );
    const target = conditions?.find(({ type }) => type === 'DisruptionTarget');
    assert.deepEqual([target?.status, target?.reason], ['True', 'TerminationByKubelet']);
  });

  test('one that is deleted is torn down as any other', () => {
    const life = evicted(new PodLife(pod()).settle()).settle();
    life.wanted = undefined;
    life.settle();
    assert.equal(life.plan().removed, true);
  });
});
