import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { container, exited, PodLife, pod, running, wallMs } from './plan-cases.ts';

suite('status', () => {
  test('a running pod in full', () => {
    const life = new PodLife(pod()).settle();
    const since = { lastTransitionTime: '2026-01-01T00:00:00Z' };
    assert.deepEqual(life.status(), {
      phase: 'Running',
      conditions: [
        { type: 'PodReadyToStartContainers', status: 'True', ...since },
        { type: 'Initialized', status: 'True', ...since },
        { type: 'Ready', status: 'True', ...since },
        { type: 'ContainersReady', status: 'True', ...since },
        { type: 'PodScheduled', status: 'True', ...since },
      ],
      hostIP: '10.0.0.1',
      hostIPs: [{ ip: '10.0.0.1' }],
      podIP: '10.1.0.5',
      podIPs: [{ ip: '10.1.0.5' }],
      startTime: '2026-01-01T00:00:00Z',
      containerStatuses: [
        {
          name: 'app',
          image: 'app:1',
          imageID: 'sha256:1',
          containerID: 'fake://app-0',
          restartCount: 0,
          state: { running: { startedAt: '2026-01-01T00:00:00Z' } },
          lastState: {},
          ready: true,
          started: true,
        },
      ],
      qosClass: 'BestEffort',
    });
  });

  test('a condition keeps its time for as long as its status stays', () => {
    const life = new PodLife(pod({ containers: [container('a'), container('b')] })).settle();
    life.status();
    life.advance(60_000);
    assert.equal(life.condition('Ready')?.lastTransitionTime, '2026-01-01T00:00:00Z');
    life.exit('a', 1);
    const ready = life.condition('Ready');
    assert.deepEqual(
      [ready?.status, ready?.reason, ready?.message, ready?.lastTransitionTime],
      ['False', 'ContainersNotReady', 'containers with unready status: [a]', '2026-01-01T00:01:00Z'],
    );
    assert.equal(life.condition('Initialized')?.lastTransitionTime, '2026-01-01T00:00:00Z');
  });

  test('a completed pod is not ready, with the reason Kubernetes gives', () => {
    const life = new PodLife(pod({ restartPolicy: 'Never' })).settle().exit('app', 0);
    assert.deepEqual(
      [life.condition('Ready')?.status, life.condition('Ready')?.reason],
      ['False', 'PodCompleted'],
    );
  });

  test('an out-of-memory kill is named', () => {
    const life = new PodLife(pod({ restartPolicy: 'Never' })).settle();
    const seen = { ...exited(137, life.now), outOfMemory: true };
    life.on({ type: 'observed', containers: { app: seen } });
    assert.equal(life.containerStatus('app').state?.terminated?.reason, 'OOMKilled');
  });

  test('the scheduler’s own time of PodScheduled is taken over', () => {
    const conditions = [{ type: 'PodScheduled', status: 'True', lastTransitionTime: '2025-12-31T00:00:00Z' }];
    const life = new PodLife({ ...pod(), status: { conditions, qosClass: 'Burstable' } }).settle();
    assert.equal(life.condition('PodScheduled')?.lastTransitionTime, '2025-12-31T00:00:00Z');
    assert.equal(life.status().qosClass, 'Burstable');
  });

  test('a restart of the agent changes nothing in the status of what runs', () => {
    const wanted = pod();
    const before = new PodLife(wanted).settle();
    const status = before.status();
    const after = new PodLife(wanted, before.state.record);
    after.advance(3_600_000);
    const seen = { state: 'ready' as const, podIps: ['10.1.0.5'] };
    after.on({ type: 'observed', sandbox: seen, containers: { app: running({ wallMs, monotonicMs: 0 }) } });
    assert.deepEqual(after.steps(), []);
    assert.deepEqual(after.status(), status);
  });
});
