import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Container, PodSpec } from '../../../../protocol/generated/models.ts';
import { container, PodLife, pod } from './plan-cases.ts';

const asks: Partial<Container> = {
  restartPolicy: 'Never',
  restartPolicyRules: [{ action: 'RestartAllContainers', exitCodes: { operator: 'In', values: [42] } }],
};
const spec: Partial<PodSpec> = {
  restartPolicy: 'Never',
  initContainers: [container('first'), container('side', { restartPolicy: 'Always' })],
  containers: [
    container('app', { lifecycle: { preStop: { exec: { command: ['x'] } } } }),
    container('watch', asks),
  ],
};

function begun(): PodLife {
  const life = new PodLife(pod(spec));
  for (;;) {
    life.settle();
    if (life.containerStatus('first').state?.running) life.exit('first', 0);
    else return life;
  }
}

suite('the end of a container that asks for all to restart', () => {
  test('stops the others at once and without their hooks, then begins with the init containers, in the same sandbox', () => {
    const life = begun().exit('watch', 42);
    assert.deepEqual(life.steps().sort(), ['stop app-0 0', 'stop side-0 0']);
    assert.equal(life.condition('AllContainersRestarting')?.status, 'True');
    const stops = life.begin();
    assert.ok(stops.every((step) => step.type === 'stopContainer' && step.preStop === undefined));
    life.settleOnce();
    life.begin();
    assert.deepEqual(
      Object.values(life.state.underWay).map(({ type }) => type),
      ['runContainer'],
    );
    life.settleOnce();
    assert.equal(life.condition('AllContainersRestarting')?.status, 'False');
    life.exit('first', 0).settle();
    const restarts = ['first', 'side', 'app', 'watch'].map((name) => life.containerStatus(name).restartCount);
    assert.deepEqual(restarts, [1, 1, 1, 1]);
    assert.equal(life.status().phase, 'Running');
    assert.equal(life.state.record.sandbox?.id, 'sb');
  });

  test('brings back what had ended for good', () => {
    const life = begun().exit('app', 0).exit('watch', 42).settle();
    life.exit('first', 0).settle();
    assert.equal(life.containerStatus('app').restartCount, 1);
    assert.ok(life.containerStatus('app').state?.running);
  });

  test('has to wait out its back-off when it goes on ending so', () => {
    const life = begun().exit('watch', 42).settle();
    life.exit('first', 0).settle().exit('watch', 42).settle();
    assert.equal(life.waiting('watch')?.reason, 'CrashLoopBackOff');
    assert.equal(life.plan().wakeAtMs, life.now.monotonicMs + 10_000);
    life.advance(10_000);
    assert.deepEqual(
      life.begin().map(({ type }) => type),
      ['runContainer'],
    );
  });

  test('means nothing with another exit code, nor for a pod on its way out', () => {
    const other = begun().exit('watch', 1);
    assert.deepEqual(other.steps(), []);
    const life = begun().exit('watch', 42);
    life.wanted = pod(spec, { deletionTimestamp: '2026-01-01T00:00:00Z' });
    assert.ok(life.steps().every((step) => !step.startsWith('run')));
  });
});
