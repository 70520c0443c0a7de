import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { context, findStep, PodLife, pod, success } from './plan-cases.ts';

/** A pod whose volumes are made of what the test says. */
function lifeWith(made: { of: string }): PodLife {
  const life = new PodLife(pod());
  life.context = { ...context, volumeInputs: () => made.of };
  return life;
}

describe('volumes of a pod', () => {
  test('come before its sandbox and its containers, beside the images', () => {
    const life = lifeWith({ of: 'v1' });
    assert.deepEqual(life.steps(), ['prepare volumes v1', 'pull app:1 IfNotPresent']);
    life.settle();
    assert.equal(life.status().phase, 'Running');
  });

  test('that cannot be made keep the pod creating; a changed source is tried at once, the same one later', () => {
    const made = { of: 'v1' };
    const life = lifeWith(made);
    for (const step of life.begin()) if (step.type !== 'prepareVolumes') life.on(success(step, life.now));
    const step = { ...findFirst(life) };
    life.on({ type: 'failed', step, code: 'FailedMount', message: 'configmap "c" not found' });
    assert.deepEqual(life.steps(), []);
    assert.deepEqual(life.status().containerStatuses?.[0]?.state, {
      waiting: { reason: 'ContainerCreating' },
    });
    made.of = 'v2';
    assert.deepEqual(life.steps(), ['prepare volumes v2']);
    made.of = 'v1';
    life.advance(11_000);
    assert.deepEqual(life.steps(), ['prepare volumes v1']);
  });

  test('whose source changes are made anew beside what runs, and a failure of that stops nothing', () => {
    const made = { of: 'v1' };
    const life = lifeWith(made).settle();
    made.of = 'v2';
    assert.deepEqual(life.steps(), ['prepare volumes v2']);
    const [step] = life.begin();
    assert.ok(step);
    life.on({ type: 'failed', step, code: 'FailedMount', message: 'x' });
    life.exit('app', 1);
    assert.deepEqual(life.steps(), ['run app-1'], 'a container restarts with the volumes as they are');
  });

  test('are removed last, and what is waited for is given up', () => {
    const life = lifeWith({ of: 'v1' });
    life.begin();
    life.state = { ...life.state, record: { ...life.state.record, volumes: true } };
    life.wanted = undefined;
    assert.deepEqual(life.plan().abandon.sort(), ['image/app/app:1', 'volumes/v1']);
    const settled = lifeWith({ of: 'v1' }).settle();
    settled.state = { ...settled.state, record: { ...settled.state.record, volumes: true } };
    settled.wanted = undefined;
    const taken: string[] = [];
    for (let round = 0; round < 6; round++) {
      taken.push(...settled.steps());
      for (const step of settled.begin()) settled.on(success(step, settled.now));
    }
    assert.equal(taken.at(-1), 'remove volumes');
    assert.ok(taken.includes('remove sandbox sb') && settled.plan().removed);
  });
});

function findFirst(life: PodLife) {
  const [step] = Object.values(life.state.underWay).filter(({ type }) => type === 'prepareVolumes');
  return step ?? findStep(life, 'prepareVolumes');
}
