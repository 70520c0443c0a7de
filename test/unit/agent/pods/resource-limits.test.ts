import assert from 'node:assert/strict';
import { test } from 'node:test';
import { podLimits, resourceLimits } from '../../../../agent/pods/resource-limits.ts';
import type { Container, Pod } from '../../../../protocol/generated/models.ts';

const node = { memoryBytes: 1000 * 2 ** 20, podPidsMax: 64 };

function limitsOf(resources: Container['resources'], spec: Partial<Pod['spec']> = {}) {
  const container: Container = { name: 'main', ...(resources ? { resources } : {}) };
  return resourceLimits({ spec: { containers: [container], ...spec } }, container, node);
}

test('who asks for more memory dies later, guaranteed pods last, and who asks for nothing first', () => {
  const score = (...of: Parameters<typeof limitsOf>) => limitsOf(...of).oomScoreAdjust;
  const whole = { cpu: '1', memory: '100Mi' };
  assert.equal(score({ limits: whole, requests: whole }), -997);
  assert.equal(score({}), 1000);
  assert.equal(score({ requests: { memory: '250Mi' } }), 750);
  assert.equal(score({ requests: { memory: '1Ki' } }), 999);
  assert.equal(score({ requests: { memory: '2Gi' } }), 3);
  assert.equal(score({}, { priority: 2_000_001_000 }), -997);
});

test('a limit stands for a request that is not given, and every container has its number of processes', () => {
  const limits = limitsOf({ limits: { cpu: '500m', memory: '64Mi' } });
  assert.deepEqual(limits, {
    cpuLimitMillis: 500,
    cpuRequestMillis: 500,
    memoryLimitBytes: 64 * 2 ** 20,
    memoryMinBytes: 64 * 2 ** 20,
    oomScoreAdjust: -997,
    pidsMax: 64,
  });
});

test('what a pod requests beyond its containers spares all of them alike, and a sidecar goes no sooner than they', () => {
  const sidecar: Container = { name: 'side', restartPolicy: 'Always' };
  const main: Container = { name: 'main', resources: { requests: { memory: '500Mi' } } };
  const pod: Pod = { spec: { containers: [main], initContainers: [sidecar] } };
  assert.equal(resourceLimits(pod, main, node).oomScoreAdjust, 500);
  assert.equal(resourceLimits(pod, sidecar, node).oomScoreAdjust, 500);
  const whole: Pod = {
    spec: { containers: [{ name: 'a' }, { name: 'b' }], resources: { requests: { memory: '400Mi' } } },
  };
  assert.equal(resourceLimits(whole, { name: 'a' }, node).oomScoreAdjust, 800);
});

test('a pod is limited to the sum of its containers if all have a limit, with the overhead of its runtime', () => {
  const of = (limits: Record<string, string>): Container => ({ name: 'c', resources: { limits } });
  const both = podLimits(
    { spec: { containers: [of({ cpu: '1', memory: '10Mi' }), of({ memory: '20Mi' })] } },
    node,
  );
  assert.deepEqual(both, {
    qos: 'Burstable',
    cpuRequestMillis: 0,
    cpuLimitMillis: undefined,
    memoryLimitBytes: 30 * 2 ** 20,
    memoryMinBytes: 0,
    pidsMax: 64,
  });
  const overhead = { memory: '5Mi' };
  const more = podLimits({ spec: { containers: [of({ memory: '10Mi' })], overhead } }, node);
  assert.equal(more.memoryLimitBytes, 15 * 2 ** 20);
  assert.equal(more.memoryMinBytes, 5 * 2 ** 20);
  const whole = { limits: { memory: '100Mi', cpu: '2' }, requests: { cpu: '500m' } };
  const own = podLimits({ spec: { containers: [{ name: 'a' }], resources: whole } }, node);
  assert.deepEqual(
    [own.memoryLimitBytes, own.cpuLimitMillis, own.cpuRequestMillis],
    [100 * 2 ** 20, 2000, 500],
  );
  assert.equal(podLimits({ spec: { containers: [{ name: 'a' }] } }, node).qos, 'BestEffort');
});
