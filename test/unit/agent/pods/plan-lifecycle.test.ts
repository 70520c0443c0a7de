import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { probeTargets } from '../../../../agent/pods/container-health.ts';
import { announce } from '../../../../agent/pods/pod-events.ts';
import type { Container } from '../../../../protocol/generated/models.ts';
import { container, findStep, handle, PodLife, pod, success, words } from './plan-cases.ts';

const check = { exec: { command: ['check'] } };
const sidecar = (name: string, more: Partial<Container> = {}) =>
  container(name, { restartPolicy: 'Always', ...more });
const probed = (life: PodLife, kind: 'liveness' | 'readiness' | 'startup', healthy: boolean, name = 'app') =>
  life.on({ type: 'probed', container: name, attempt: 0, kind, healthy });
const kinds = (life: PodLife) =>
  probeTargets(life.wanted ?? pod(), life.state, life.now).map(
    (target) => `${target.container} ${target.kind}`,
  );

suite('probes decide', () => {
  const ready = { containers: [container('app', { readinessProbe: check })] };

  test('a container with a readiness probe is not Ready until it says so, and not when it says no', () => {
    const life = new PodLife(pod(ready)).settle();
    assert.deepEqual(life.condition('Ready')?.status, 'False');
    assert.equal(life.condition('Ready')?.reason, 'ContainersNotReady');
    assert.equal(life.condition('Ready')?.message, 'containers with unready status: [app]');
    assert.deepEqual(life.containerStatus('app').started, true);
    assert.equal(probed(life, 'readiness', true).condition('Ready')?.status, 'True');
    assert.equal(probed(life, 'readiness', false).condition('ContainersReady')?.status, 'False');
    assert.deepEqual(life.steps(), [], 'and nothing is restarted for that');
  });

  test('a new agent goes on with what was said last', () => {
    const life = probed(new PodLife(pod(ready)).settle(), 'readiness', true);
    const after = new PodLife(pod(ready), life.state.record);
    after.on({
      type: 'observed',
      sandbox: { state: 'ready', podIps: ['10.1.0.5'] },
      containers: { app: { state: 'running', pid: 1, startedAtMs: life.now.wallMs, imageId: '' } },
    });
    assert.equal(after.condition('Ready')?.status, 'True');
    assert.equal(probeTargets(after.wanted ?? pod(), after.state, after.now)[0]?.healthy, true);
  });

  test('failed liveness stops the container within the probe’s own grace, and it starts again at any exit code', () => {
    const livenessProbe = { ...check, terminationGracePeriodSeconds: 7 };
    const spec = { restartPolicy: 'OnFailure', containers: [container('app', { livenessProbe })] };
    const life = probed(new PodLife(pod(spec)).settle(), 'liveness', false);
    assert.deepEqual(life.steps(), ['stop app-0 7000']);
    const step = findStep(life, 'stopContainer');
    assert.equal(
      announce({ type: 'begun', target: 't', step })?.message,
      'Container app failed liveness probe, will be restarted',
    );
    life.exit('app', 0);
    assert.deepEqual(life.steps(), ['run app-1']);
    assert.deepEqual(life.settle().steps(), [], 'the new attempt is well');
  });

  test('with restartPolicy Never failed liveness fails the pod', () => {
    const spec = { restartPolicy: 'Never', containers: [container('app', { livenessProbe: check })] };
    const life = probed(new PodLife(pod(spec)).settle(), 'liveness', false).settle();
    assert.equal(life.status().phase, 'Failed');
  });

  test('what a probe says of an earlier attempt changes nothing', () => {
    const spec = { containers: [container('app', { livenessProbe: check })] };
    const life = new PodLife(pod(spec)).settle().exit('app', 1).settle();
    assert.deepEqual(probed(life, 'liveness', false).steps(), []);
  });

  test('before the startup probe succeeds there is no other, and the container is not started', () => {
    const probes = { startupProbe: check, livenessProbe: check, readinessProbe: check };
    const life = new PodLife(pod({ containers: [container('app', probes)] })).settle();
    assert.deepEqual(kinds(life), ['app startup']);
    assert.equal(life.containerStatus('app').started, false);
    probed(life, 'startup', true);
    assert.deepEqual(kinds(life), ['app liveness', 'app readiness']);
    assert.equal(life.containerStatus('app').started, true);
  });

  test('a pod that is on its way out is asked for readiness only; one that has ended, nothing', () => {
    const probes = { livenessProbe: check, readinessProbe: check };
    const life = new PodLife(
      pod({ restartPolicy: 'Never', containers: [container('app', probes)] }),
    ).settle();
    life.state = { ...life.state, record: { ...life.state.record, terminating: true } };
    assert.deepEqual(kinds(life), ['app readiness']);
    assert.deepEqual(kinds(life.exit('app', 0)), []);
  });

  test('readiness gates have their say beside the containers', () => {
    const gated = pod({ readinessGates: [{ conditionType: 'example.org/lit' }] });
    const life = new PodLife(gated).settle();
    assert.deepEqual(
      [
        life.condition('ContainersReady')?.status,
        life.condition('Ready')?.status,
        life.condition('Ready')?.reason,
      ],
      ['True', 'False', 'ReadinessGatesNotReady'],
    );
    life.wanted = { ...gated, status: { conditions: [{ type: 'example.org/lit', status: 'False' }] } };
    assert.match(life.condition('Ready')?.message ?? '', /is not "True", but False/);
    life.wanted = { ...gated, status: { conditions: [{ type: 'example.org/lit', status: 'True' }] } };
    assert.equal(life.condition('Ready')?.status, 'True');
  });
});

suite('lifecycle hooks', () => {
  const lifecycle = { postStart: check, preStop: check };
  const hooked = () => pod({ containers: [container('app', { lifecycle }), container('next')] });

  test('until its postStart hook is done a container waits, and so do those after it', () => {
    const life = new PodLife(hooked());
    for (let round = 0; round < 2; round++) for (const step of life.begin()) life.on(success(step, life.now));
    assert.deepEqual(life.steps(), ['hook app-0']);
    assert.deepEqual(life.waiting('app'), { reason: 'ContainerCreating' });
    assert.deepEqual(kinds(life), []);
    life.settle();
    assert.deepEqual(Object.keys(life.state.record.containers), ['app', 'next']);
    assert.equal(life.status().phase, 'Running');
  });

  test('a postStart hook that fails stops the container, which is restarted with back-off', () => {
    const life = new PodLife(hooked());
    for (let round = 0; round < 2; round++) for (const step of life.begin()) life.on(success(step, life.now));
    const [step] = life.begin();
    assert.equal(step?.type, 'postStart');
    if (step?.type === 'postStart') life.on({ type: 'hookEnded', step, problem: 'exit 1' });
    assert.deepEqual(life.steps(), ['stop app-0 30000']);
  });

  test('a hook is given up when its container has ended', () => {
    const life = new PodLife(hooked());
    for (let round = 0; round < 2; round++) for (const step of life.begin()) life.on(success(step, life.now));
    life.begin();
    life.exit('app', 1);
    assert.deepEqual(life.plan().abandon, ['hook/app']);
  });

  test('the preStop hook goes with the stop, but not with a force', () => {
    const life = new PodLife(hooked()).settle();
    const delete_ = (graceSeconds: number) => {
      life.wanted = {
        ...hooked(),
        metadata: {
          ...hooked().metadata,
          deletionTimestamp: '2026',
          deletionGracePeriodSeconds: graceSeconds,
        },
      };
      return life
        .plan()
        .steps.map((step) => (step.type === 'stopContainer' ? [words(step), step.preStop?.action.type] : []));
    };
    assert.deepEqual(delete_(5), [
      ['stop app-0 5000', 'exec'],
      ['stop next-0 5000', undefined],
    ]);
    assert.deepEqual(delete_(0)[0], ['stop app-0 0', undefined]);
  });
});

suite('sidecars', () => {
  const spec = {
    restartPolicy: 'Never',
    initContainers: [sidecar('one', { startupProbe: check }), container('init'), sidecar('two')],
    containers: [container('app')],
  };

  test('start in their order among the init containers, the next when they have started', () => {
    const life = new PodLife(pod(spec)).settle();
    assert.deepEqual(Object.keys(life.state.record.containers), ['one']);
    assert.equal(life.status().phase, 'Pending');
    probed(life, 'startup', true, 'one').settle();
    assert.deepEqual(Object.keys(life.state.record.containers), ['one', 'init']);
    life.exit('init', 0).settle();
    assert.deepEqual(Object.keys(life.state.record.containers), ['one', 'init', 'two', 'app']);
    assert.equal(life.status().phase, 'Running');
    assert.equal(life.condition('Initialized')?.status, 'True');
  });

  const running = () =>
    probed(new PodLife(pod(spec)).settle(), 'startup', true, 'one')
      .settle()
      .exit('init', 0)
      .settle();

  test('start again whatever the pod’s policy, also while app containers run', () => {
    const life = running().exit('two', 0);
    assert.deepEqual(life.steps(), ['run two-1']);
    assert.equal(life.condition('ContainersReady')?.message, 'containers with unready status: [two]');
  });

  test('stop after the app containers, the last first; only then the pod has succeeded', () => {
    const life = running().exit('app', 0);
    assert.equal(life.status().phase, 'Running');
    assert.deepEqual(life.steps(), ['stop two-0 30000']);
    life.begin();
    life.advance(12_000);
    life
      .exit('two', 143)
      .on({ type: 'containerStopped', handle: handle('two'), state: { state: 'missing' } });
    assert.deepEqual(life.steps(), ['stop one-0 18000'], 'with what is left of the grace period');
    life.settle();
    assert.equal(life.status().phase, 'Succeeded', 'however the sidecars ended');
    assert.equal(life.condition('Ready')?.reason, 'PodCompleted');
  });

  test('of a deleted pod stop last, too', () => {
    const life = running();
    life.wanted = undefined;
    life.wanted = pod(spec, { deletionTimestamp: '2026', deletionGracePeriodSeconds: 10 });
    assert.deepEqual(life.steps(), ['stop app-0 10000']);
    life.exit('app', 143);
    assert.deepEqual(life.steps(), ['stop two-0 10000']);
  });
});

suite('a container’s own restart policy', () => {
  const rule = (operator: string, ...values: number[]) => ({
    action: 'Restart',
    exitCodes: { operator, values },
  });
  for (const [more, exitCode, starts] of [
    [{ restartPolicy: 'OnFailure' }, 1, true],
    [{ restartPolicy: 'OnFailure' }, 0, false],
    [{ restartPolicy: 'Never', restartPolicyRules: [rule('In', 42)] }, 42, true],
    [{ restartPolicy: 'Never', restartPolicyRules: [rule('In', 42)] }, 1, false],
    [{ restartPolicy: 'Never', restartPolicyRules: [rule('NotIn', 0, 42)] }, 1, true],
  ] as const) {
    test(`${JSON.stringify(more)}, exit code ${exitCode}: ${starts ? 'starts again' : 'has ended'}`, () => {
      const app = container('app', more as Partial<Container>);
      const life = new PodLife(pod({ restartPolicy: 'Never', containers: [app, container('b')] })).settle();
      assert.deepEqual(life.exit('app', exitCode).steps(), starts ? ['run app-1'] : []);
    });
  }
});
