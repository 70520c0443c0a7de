import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Container, Pod } from '../../../../protocol/generated/models.ts';
import { container, findStep, PodLife, pod } from './plan-cases.ts';

const sized = (cpu: string, memory: string, more: Partial<Container> = {}) =>
  container('app', {
    resources: { requests: { cpu, memory }, limits: { memory: '64Mi' } },
    ...more,
  });
const withMemoryLimit = (memory: string, more: Partial<Container> = {}) =>
  container('app', { resources: { requests: { memory: '1Mi' }, limits: { memory } }, ...more });
const wanted = (app: Container): Pod => pod({ containers: [app] });

suite('resizing a pod in place', () => {
  test('what is asked anew is granted and given to the running container, which goes on', () => {
    const life = new PodLife(wanted(sized('100m', '32Mi'))).settle();
    life.wanted = wanted(sized('200m', '32Mi'));
    const step = findStep(life, 'resizeContainer');
    assert.deepEqual(
      [step.handle.id, step.limits.cpuRequestMillis, step.lowersMemory],
      ['app-0', 200, false],
    );
    life.begin();
    assert.equal(life.condition('PodResizeInProgress')?.status, 'True');
    assert.deepEqual(life.containerStatus('app').allocatedResources, { cpu: '200m', memory: '32Mi' });
    assert.equal(life.containerStatus('app').resources?.requests?.['cpu'], '100m');
    life.on({ type: 'containerResized', handle: step.handle, resources: step.resources });
    assert.deepEqual(life.steps(), []);
    assert.equal(life.condition('PodResizeInProgress'), undefined);
    assert.equal(life.containerStatus('app').resources?.requests?.['cpu'], '200m');
    assert.equal(life.containerStatus('app').restartCount, 0);
    assert.equal(life.state.record.reserved.cpuMillis, 200);
  });

  test('a limit of the whole pod holds for containers without one of their own, and changes with it', () => {
    const whole = (memory: string): Pod =>
      pod({
        resources: { requests: { memory: '16Mi' }, limits: { memory } },
        containers: [container('app'), container('own', { resources: { limits: { memory: '8Mi' } } })],
      });
    const life = new PodLife(whole('64Mi')).settle();
    assert.deepEqual(life.containerStatus('app').resources?.limits, { memory: '64Mi' });
    assert.deepEqual(life.status().resources, { requests: { memory: '16Mi' }, limits: { memory: '64Mi' } });
    life.wanted = whole('128Mi');
    const steps = life.plan().steps.map((step) => (step.type === 'resizeContainer' ? step : undefined));
    assert.deepEqual(
      steps.map((step) => [step?.handle.id, step?.limits.memoryLimitBytes]),
      [['app-0', 128 * 2 ** 20]],
    );
    life.settle();
    assert.deepEqual(life.status().resources?.limits, { memory: '128Mi' });
    assert.equal(life.state.record.allocation?.['']?.limits?.['memory'], '128Mi');
  });

  test('other words for the same amounts change nothing', () => {
    const life = new PodLife(wanted(sized('1', '32Mi'))).settle();
    life.wanted = wanted(sized('1000m', '32768Ki'));
    assert.deepEqual(life.steps(), []);
  });

  test('a container that asks for it is restarted, whatever the restart policy', () => {
    const resizePolicy = [{ resourceName: 'memory', restartPolicy: 'RestartContainer' }];
    const never = (memory: string): Pod =>
      pod({ restartPolicy: 'Never', containers: [withMemoryLimit(memory, { resizePolicy })] });
    const life = new PodLife(never('64Mi')).settle();
    life.wanted = never('128Mi');
    assert.equal(findStep(life, 'stopContainer').message, 'Container app resize requires restart');
    life.settle();
    const { handle, resources } = life.state.record.containers['app'] ?? {};
    assert.deepEqual([handle?.attempt, resources?.limits], [1, { memory: '128Mi' }]);
    assert.deepEqual(life.steps(), []);
  });

  test('a change of what needs no restart needs none, whatever others would need', () => {
    const resizePolicy = [{ resourceName: 'memory', restartPolicy: 'RestartContainer' }];
    const life = new PodLife(wanted(sized('100m', '32Mi', { resizePolicy }))).settle();
    life.wanted = wanted(sized('300m', '32Mi', { resizePolicy }));
    assert.equal(findStep(life, 'resizeContainer').limits.cpuRequestMillis, 300);
  });

  test('what the node cannot give is shown as pending, and the pod keeps what it has', () => {
    const life = new PodLife(wanted(sized('100m', '32Mi'))).settle();
    const pending = { reason: 'Deferred', message: "Node didn't have enough resource: cpu" };
    life.context = { ...life.context, refuseResize: () => pending };
    life.wanted = wanted(sized('3', '32Mi'));
    assert.deepEqual(life.steps(), []);
    const { type, status, reason, message } = life.condition('PodResizePending') ?? {};
    assert.deepEqual(
      { type, status, reason, message },
      { type: 'PodResizePending', status: 'True', ...pending },
    );
    assert.equal(life.containerStatus('app').allocatedResources?.['cpu'], '100m');
    life.exit('app', 1);
    assert.equal(findStep(life, 'runContainer').spec.resources.cpuRequestMillis, 100);
    life.context = { ...life.context, refuseResize: () => undefined };
    life.settle();
    assert.equal(life.condition('PodResizePending'), undefined);
    assert.equal(life.containerStatus('app').resources?.requests?.['cpu'], '3');
  });

  test('a failure shows with the condition and is tried again later', () => {
    const life = new PodLife(wanted(withMemoryLimit('64Mi'))).settle();
    life.wanted = wanted(withMemoryLimit('32Mi'));
    const step = findStep(life, 'resizeContainer');
    assert.equal(step.lowersMemory, true);
    life.begin();
    life.on({ type: 'failed', step, code: 'ResizeError', message: 'in use' });
    const { reason, message } = life.condition('PodResizeInProgress') ?? {};
    assert.deepEqual([reason, message], ['Error', 'in use']);
    assert.equal(life.plan().wakeAtMs, life.now.monotonicMs + 10_000);
    life.advance(10_000);
    assert.deepEqual(life.steps(), ['resize app-0 {"requests":{"memory":"1Mi"},"limits":{"memory":"32Mi"}}']);
  });

  test('a record of an agent that could not resize stands for what the pod asks now', () => {
    const asked = wanted(sized('100m', '32Mi'));
    const { allocation: _none, ...old } = new PodLife(asked).settle().state.record;
    const life = new PodLife(asked, old);
    life.on({
      type: 'observed',
      containers: { app: { state: 'running', pid: 1, startedAtMs: 1, imageId: '' } },
    });
    life.on({ type: 'observed', containers: {}, sandbox: { state: 'ready', podIps: [] } });
    assert.deepEqual(life.steps(), []);
    life.begin();
    life.wanted = wanted(sized('200m', '32Mi'));
    assert.equal(findStep(life, 'resizeContainer').limits.cpuRequestMillis, 200);
  });
});
