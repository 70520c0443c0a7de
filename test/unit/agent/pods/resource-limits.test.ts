import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resourceLimits } from '../../../../agent/pods/resource-limits.ts';
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
    oomScoreAdjust: -997,
    pidsMax: 64,
  });
});
