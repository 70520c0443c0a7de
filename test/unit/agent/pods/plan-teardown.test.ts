import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { container, PodLife, pod, sandbox, success } from './plan-cases.ts';

const started = { deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 30 };

suite('teardown', () => {
  const two = { containers: [container('a'), container('b')] };

  test('containers stop side by side, are removed, then the sandbox, then the pod is gone', () => {
    const life = new PodLife(pod(two)).settle();
    life.wanted = pod(two, started);
    const rounds: string[][] = [];
    while (!life.plan().removed) {
      rounds.push(life.steps());
      for (const step of life.begin()) life.on(success(step, life.now));
    }
    assert.deepEqual(rounds, [
      ['stop a-0 30000', 'stop b-0 30000'],
      ['remove a-0', 'remove b-0'],
      ['remove sandbox sb'],
    ]);
  });

  test('it goes on though the pod is named again as if nothing had happened', () => {
    const life = new PodLife(pod());
    life.settle();
    life.state = { ...life.state, record: { ...life.state.record, terminating: true } };
    assert.deepEqual(life.steps(), ['stop app-0 30000']);
    life.settle();
    assert.equal(life.plan().removed, true);
  });

  test('a pod that is no longer named goes with the grace it was given', () => {
    const life = new PodLife(pod({ terminationGracePeriodSeconds: 7 })).settle();
    life.wanted = undefined;
    assert.deepEqual(life.steps(), ['stop app-0 7000']);
  });

  test('a pod in crash back-off is not started again by its deletion', () => {
    const life = new PodLife(pod()).settle().exit('app', 1).settle().exit('app', 1);
    life.wanted = pod({}, started);
    life.advance(10_000);
    assert.deepEqual(life.steps(), ['remove app-1', 'remove app-0']);
  });

  test('a container that is just being started is waited for, then stopped', () => {
    const life = new PodLife(pod());
    for (const step of life.begin()) life.on(success(step, life.now));
    const [run] = life.begin();
    assert.ok(run);
    life.wanted = pod({}, started);
    assert.deepEqual([life.steps(), life.plan().removed], [[], false]);
    life.on(success(run, life.now));
    assert.deepEqual(life.steps(), ['stop app-0 30000']);
  });

  test('pulls are given up, and the pod is not gone before they are', () => {
    const life = new PodLife(pod());
    const [create, pull] = life.begin();
    assert.ok(create && pull);
    life.wanted = pod({}, started);
    assert.deepEqual(life.plan().abandon, ['image/app/app:1']);
    life.on(success(create, life.now));
    life.settle();
    assert.equal(life.plan().removed, false);
    life.on({ type: 'abandoned', step: pull });
    assert.equal(life.plan().removed, true);
  });

  test('a shorter grace hurries the stop under way, once', () => {
    const life = new PodLife(pod()).settle();
    life.wanted = pod({}, started);
    life.begin();
    life.wanted = pod({}, { ...started, deletionGracePeriodSeconds: 0 });
    assert.deepEqual(life.steps(), ['stop app-0 0']);
    life.begin();
    assert.deepEqual(life.steps(), []);
  });

  test('a failing stop is tried again, and nothing is removed before', () => {
    const life = new PodLife(pod()).settle();
    life.wanted = pod({}, started);
    life.state = { ...life.state, record: { ...life.state.record, terminating: true } };
    const [stop] = life.begin();
    assert.ok(stop);
    life.on({ type: 'failed', step: stop, code: 'RuntimeUnavailable', message: 'engine is down' });
    assert.deepEqual([life.steps(), life.plan().wakeAtMs], [[], life.now.monotonicMs + 1_000]);
    life.advance(1_000);
    assert.deepEqual(life.steps(), ['stop app-0 30000']);
  });

  test('no sandbox is removed while another is being made in its place', () => {
    const life = new PodLife(pod()).settle();
    life.on({ type: 'observed', sandbox: { state: 'stopped' }, containers: {} }).exit('app', 1);
    const [create] = life.begin();
    assert.equal(create?.type, 'createSandbox');
    life.wanted = undefined;
    while (life.steps().length > 0) for (const step of life.begin()) life.on(success(step, life.now));
    assert.equal(life.state.record.sandbox?.id, 'sb');
    assert.equal(life.plan().removed, false);
  });

  test('previous attempts and old sandboxes go too', () => {
    const life = new PodLife(pod()).settle().exit('app', 1).settle();
    const garbage = { ...sandbox, id: 'old' };
    life.state = { ...life.state, record: { ...life.state.record, garbageSandboxes: [garbage] } };
    life.wanted = pod({}, started);
    life.settle();
    assert.equal(life.plan().removed, true);
    assert.deepEqual(life.state.record.containers, {});
    assert.deepEqual(life.state.record.garbageSandboxes, []);
  });

  test('a refused pod has nothing to tear down', () => {
    const life = new PodLife(pod());
    life.state = {
      ...life.state,
      record: { ...life.state.record, refused: { reason: 'OutOfcpu', message: '' } },
    };
    assert.deepEqual([life.steps(), life.plan().removed], [[], false]);
    life.wanted = undefined;
    assert.equal(life.plan().removed, true);
  });
});

suite('a sandbox that died', () => {
  const dead = { type: 'observed', sandbox: { state: 'stopped' }, containers: {} } as const;

  test('takes its containers along: they stop, and start in a new one', () => {
    const life = new PodLife(pod()).settle().on(dead);
    assert.deepEqual(life.steps(), ['stop app-0 30000']);
    for (const step of life.begin()) life.on(success(step, life.now));
    assert.deepEqual(life.steps(), ['create sandbox']);
    for (const step of life.begin()) life.on(success(step, life.now));
    assert.deepEqual(life.steps(), ['run app-1']);
  });

  test('init containers run again in the new one', () => {
    const wanted = pod({ initContainers: [container('one')] });
    const life = new PodLife(wanted).settle().exit('one', 0).settle().on(dead).exit('app', 137);
    for (const step of life.begin()) life.on(success(step, life.now));
    assert.deepEqual(life.steps(), ['run one-1']);
    life.settle().exit('one', 0);
    assert.deepEqual(life.steps(), ['run app-1']);
  });

  test('is not replaced for a pod that has ended', () => {
    const life = new PodLife(pod({ restartPolicy: 'Never' })).settle().exit('app', 0).on(dead);
    assert.deepEqual(life.steps(), ['stop sandbox']);
    assert.deepEqual(life.settle().steps(), [], 'and that once');
    assert.equal(life.status().phase, 'Succeeded');
  });

  test('is not replaced before it is known what became of the containers', () => {
    const before = new PodLife(pod()).settle();
    const life = new PodLife(pod(), before.state.record).on(dead);
    assert.deepEqual(life.steps(), []);
  });
});
