import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { container, exited, handle, PodLife, pod, success } from './plan-cases.ts';

suite('restarts', () => {
  test('the first restart is immediate, then 10 s doubling to 5 min', () => {
    const life = new PodLife(pod()).settle();
    const delays: number[] = [];
    for (let crash = 0; crash < 8; crash++) {
      life.exit('app', 1);
      const { wakeAtMs } = life.plan();
      delays.push(wakeAtMs === undefined ? 0 : wakeAtMs - life.now.monotonicMs);
      life.advance(delays.at(-1) ?? 0);
      life.settle();
    }
    assert.deepEqual(delays, [0, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]);
    assert.equal(life.containerStatus('app').restartCount, 8);
  });

  test('the words of a crash loop are those of kubelet', () => {
    const life = new PodLife(pod()).settle().exit('app', 1).settle().exit('app', 2);
    assert.deepEqual(life.waiting('app'), {
      reason: 'CrashLoopBackOff',
      message: 'back-off 10s restarting failed container=app pod=web_ns(u1)',
    });
    const status = life.containerStatus('app');
    assert.equal(status.lastState?.terminated?.exitCode, 2);
    assert.equal(status.restartCount, 1);
    assert.equal(life.status().phase, 'Running');
  });

  test('long delays are worded in minutes', () => {
    const life = new PodLife(pod()).settle();
    for (let crash = 0; crash < 7; crash++) {
      life.exit('app', 1).advance(300_000);
      life.settle();
    }
    life.exit('app', 1);
    assert.match(life.waiting('app')?.message ?? '', /^back-off 5m0s restarting/);
  });

  test('after more than ten minutes of running the back-off is forgotten', () => {
    const life = new PodLife(pod()).settle().exit('app', 1).settle();
    life.advance(700_000);
    life.exit('app', 1, 700_000);
    assert.deepEqual(life.steps(), ['run app-2']);
    life.settle().exit('app', 1);
    assert.equal(life.plan().wakeAtMs, life.now.monotonicMs + 10_000);
  });

  test('a jump of the wall clock neither lengthens nor skips the wait', () => {
    const life = new PodLife(pod()).settle().exit('app', 1).settle().exit('app', 1);
    const { wakeAtMs } = life.plan();
    life.now = { ...life.now, wallMs: life.now.wallMs + 10 ** 12 };
    assert.equal(life.plan().wakeAtMs, wakeAtMs);
    assert.deepEqual(life.steps(), []);
  });

  for (const [policy, exitCode, phase, steps] of [
    ['Always', 0, 'Running', ['run app-1']],
    ['Always', 1, 'Running', ['run app-1']],
    ['OnFailure', 0, 'Succeeded', ['stop sandbox']],
    ['OnFailure', 1, 'Running', ['run app-1']],
    ['Never', 0, 'Succeeded', ['stop sandbox']],
    ['Never', 1, 'Failed', ['stop sandbox']],
  ] as const) {
    test(`restartPolicy ${policy}, exit code ${exitCode}: ${steps.join() || phase}`, () => {
      const life = new PodLife(pod({ restartPolicy: policy })).settle().exit('app', exitCode);
      assert.deepEqual(life.steps(), [...steps]);
      assert.equal(life.status().phase, phase);
    });
  }

  test('of several containers only the ended one starts again', () => {
    const life = new PodLife(pod({ containers: [container('a'), container('b')] })).settle().exit('b', 1);
    assert.deepEqual(life.steps(), ['run b-1']);
  });

  test('only the last two attempts are kept', () => {
    const life = new PodLife(pod()).settle();
    for (let crash = 0; crash < 3; crash++) {
      life.advance(300_000);
      life.exit('app', 1).advance(300_000);
      life.settle();
    }
    const { app } = life.state.record.containers;
    assert.deepEqual([app?.handle.attempt, app?.previous?.handle.attempt], [3, 2]);
    assert.deepEqual(life.state.record.garbage, []);
  });

  test('a container that vanished counts as failed with an unknown end', () => {
    const life = new PodLife(pod()).settle();
    life.on({ type: 'observed', containers: { app: { state: 'missing' } } });
    assert.equal(life.containerStatus('app').state?.terminated?.reason, 'ContainerStatusUnknown');
    assert.deepEqual(life.steps(), ['run app-1']);
  });

  test('an end that nobody saw is a failure, never a success', () => {
    const life = new PodLife(pod({ restartPolicy: 'OnFailure' })).settle();
    life.on({ type: 'observed', containers: { app: exited(undefined, life.now) } });
    assert.equal(life.containerStatus('app').state?.terminated?.exitCode, 255);
    assert.deepEqual(life.steps(), ['run app-1']);
  });

  test('a container that was made but not started is started, not made again', () => {
    const life = new PodLife(pod()).settle();
    life.on({ type: 'observed', containers: { app: { state: 'created' } } });
    assert.deepEqual(life.steps(), ['start app-0']);
  });

  test('a start that fails uses up its attempt and shows why', () => {
    const life = new PodLife(pod());
    for (const step of life.begin()) life.on(success(step, life.now));
    const [run] = life.begin();
    assert.ok(run);
    life.on({
      type: 'failed',
      step: run,
      code: 'RunContainerError',
      message: 'no such file',
      created: handle('app'),
    });
    assert.deepEqual(life.waiting('app'), { reason: 'RunContainerError', message: 'no such file' });
    assert.equal(life.containerStatus('app').lastState?.terminated?.exitCode, 128);
    life.advance(2_000);
    assert.equal(life.waiting('app')?.reason, 'CrashLoopBackOff');
    life.advance(8_000);
    life.settle();
    assert.equal(life.containerStatus('app').restartCount, 1);
  });

  test('a creation that fails is tried again with the same attempt', () => {
    const life = new PodLife(pod());
    for (const step of life.begin()) life.on(success(step, life.now));
    const [run] = life.begin();
    assert.ok(run);
    life.on({ type: 'failed', step: run, code: 'CreateContainerError', message: 'no' });
    life.advance(10_000);
    life.settle();
    assert.equal(life.containerStatus('app').restartCount, 0);
  });
});

suite('images', () => {
  const failPull = (life: PodLife, code = 'ErrImagePull') => {
    for (const step of life.begin()) {
      life.on(
        step.type === 'pullImage'
          ? { type: 'failed', step, code, message: 'no route' }
          : success(step, life.now),
      );
    }
  };

  test('a failed pull shows as ErrImagePull first, then as back-off', () => {
    const life = new PodLife(pod());
    failPull(life);
    assert.deepEqual(life.waiting('app'), { reason: 'ErrImagePull', message: 'no route' });
    life.advance((life.plan().wakeAtMs ?? 0) - life.now.monotonicMs);
    assert.deepEqual(life.waiting('app'), {
      reason: 'ImagePullBackOff',
      message: 'Back-off pulling image "app:1": ErrImagePull: no route',
    });
    assert.equal(life.status().phase, 'Pending');
  });

  test('pulls back off to five minutes, and the status does not flap meanwhile', () => {
    const life = new PodLife(pod());
    const delays: number[] = [];
    for (let tries = 0; tries < 7; tries++) {
      failPull(life);
      life.advance(2_000);
      const delay = (life.plan().wakeAtMs ?? 0) - life.now.monotonicMs;
      delays.push(delay + 2_000);
      life.advance(delay);
      life.begin();
      assert.equal(life.waiting('app')?.reason, 'ImagePullBackOff');
      const pull = life.state.underWay['image/app/app:1'];
      assert.ok(pull);
      life.on({ type: 'abandoned', step: pull });
    }
    assert.deepEqual(delays, [10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]);
  });

  test('an image that is never pulled keeps its own reason', () => {
    const life = new PodLife(pod());
    failPull(life, 'ErrImageNeverPull');
    life.advance(5_000);
    assert.equal(life.waiting('app')?.reason, 'ErrImageNeverPull');
  });

  for (const [image, given, policy] of [
    ['app', undefined, 'Always'],
    ['app:latest', undefined, 'Always'],
    ['host:5000/app', undefined, 'Always'],
    ['app:1', undefined, 'IfNotPresent'],
    ['app@sha256:00', undefined, 'IfNotPresent'],
    ['app:1', 'Always', 'Always'],
    ['app', 'Never', 'Never'],
  ] as const) {
    test(`${image} with policy ${given ?? 'unset'} is pulled ${policy}`, () => {
      const app = container('app', { image, ...(given ? { imagePullPolicy: given } : {}) });
      assert.ok(new PodLife(pod({ containers: [app] })).steps().includes(`pull ${image} ${policy}`));
    });
  }

  test('Always asks the registry once per pod, so that a restart without a network works', () => {
    const wanted = pod({ containers: [container('app', { imagePullPolicy: 'Always' })] });
    const before = new PodLife(wanted).settle();
    const life = new PodLife(wanted, before.state.record);
    life.on({
      type: 'observed',
      sandbox: { state: 'ready', podIps: [] },
      containers: { app: exited(1, life.now) },
    });
    assert.deepEqual(life.steps(), ['pull app:1 IfNotPresent']);
  });

  test('a new image is fetched first, then that container alone is replaced, whatever the restart policy', () => {
    const life = new PodLife(
      pod({ restartPolicy: 'Never', containers: [container('a'), container('b')] }),
    ).settle();
    life.wanted = pod({
      restartPolicy: 'Never',
      containers: [container('a', { image: 'a:2' }), container('b')],
    });
    assert.deepEqual(life.steps(), ['pull a:2 IfNotPresent']);
    const [pull] = life.begin();
    assert.ok(pull);
    life.on(success(pull, life.now));
    assert.deepEqual(life.steps(), ['stop a-0 30000']);
    const [stop] = life.begin();
    assert.ok(stop);
    life.on(success(stop, life.now));
    assert.deepEqual(life.steps(), ['run a-1']);
    assert.equal(life.settle().status().phase, 'Running');
    assert.equal(life.containerStatus('a').image, 'a:2');
  });

  test('a new image that cannot be fetched leaves the old container running and says so', () => {
    const life = new PodLife(pod()).settle();
    life.wanted = pod({ containers: [container('app', { image: 'app:2' })] });
    failPull(life);
    const { reason, message, phase } = life.status();
    assert.deepEqual([phase, reason, message], ['Running', 'ErrImagePull', 'container app: no route']);
  });

  test('a pull of an image that is no longer wanted is given up', () => {
    const life = new PodLife(pod());
    life.begin();
    life.wanted = pod({ containers: [container('app', { image: 'app:2' })] });
    assert.deepEqual(life.plan().abandon, ['image/app/app:1']);
    assert.ok(life.steps().includes('pull app:2 IfNotPresent'));
  });

  test('a crash loop ends with a new image', () => {
    const life = new PodLife(pod()).settle().exit('app', 1).settle().exit('app', 1);
    assert.deepEqual(life.steps(), []);
    life.wanted = pod({ containers: [container('app', { image: 'app:2' })] });
    assert.deepEqual(life.steps(), ['pull app:2 IfNotPresent']);
    life.settle().exit('app', 1);
    assert.deepEqual(life.steps(), ['run app-3']);
  });
});
