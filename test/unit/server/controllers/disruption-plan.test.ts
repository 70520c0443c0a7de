import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import * as fc from 'fast-check';
import type { Pod, PodDisruptionBudget } from '../../../../protocol/generated/models.ts';
import { planBudget } from '../../../../server/controllers/disruption/plan.ts';

const now = Date.UTC(2026, 0, 1);
const at = (secondsAgo: number) => new Date(now - secondsAgo * 1000).toISOString();

function budget(
  spec: PodDisruptionBudget['spec'],
  disruptedPods?: Record<string, string>,
): PodDisruptionBudget {
  return {
    metadata: { name: 'b', namespace: 'default', uid: 'b', generation: 3 },
    spec: { selector: {}, ...spec },
    ...(disruptedPods ? { status: { disruptedPods } } : {}),
  };
}

function pod(name: string, { ready = true, deleting = false } = {}): Pod {
  return {
    metadata: { name, uid: name, ...(deleting ? { deletionTimestamp: at(1) } : {}) },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
  };
}

const pods = (count: number, unready = 0) =>
  Array.from({ length: count }, (_, index) => pod(`p${index}`, { ready: index >= unready }));
const factsOf = (selected: Pod[]) => ({
  tally: {
    total: selected.length,
    healthy: selected.filter(
      ({ metadata, status }) => !metadata?.deletionTimestamp && status?.conditions?.[0]?.status === 'True',
    ).length,
  },
  podNamed: (name: string) => selected.find(({ metadata }) => metadata?.name === name),
});
const numbers = (of: PodDisruptionBudget, selected: Pod[], expected = selected.length) => {
  const { status } = planBudget(of, { ...factsOf(selected), scale: { expected, unmanaged: 0 }, nowMs: now });
  return [status.expectedPods, status.currentHealthy, status.desiredHealthy, status.disruptionsAllowed];
};

suite('a disruption budget', () => {
  test('counts from the number of pods, or from what their controllers want', () => {
    assert.deepEqual(numbers(budget({ minAvailable: 2 }), pods(3)), [3, 3, 2, 1]);
    assert.deepEqual(numbers(budget({ minAvailable: '50%' }), pods(3), 5), [5, 3, 3, 0]);
    assert.deepEqual(numbers(budget({ maxUnavailable: 1 }), pods(3, 1), 3), [3, 2, 2, 0]);
    assert.deepEqual(numbers(budget({ maxUnavailable: '25%' }), pods(10), 10), [10, 10, 7, 3]);
    assert.deepEqual(numbers(budget({}), pods(3)), [0, 3, 0, 0]);
    assert.deepEqual(numbers(budget({ minAvailable: 0 }), []), [0, 0, 0, 0]);
  });

  test('counts a granted eviction as gone until it is, or until two minutes have passed', () => {
    const granted = budget({ minAvailable: 1 }, { p0: at(30), p1: at(150), gone: at(10) });
    const { status, notDeleted, wakeAfterMs } = planBudget(granted, {
      ...factsOf(pods(3)),
      scale: { expected: 3, unmanaged: 0 },
      nowMs: now,
    });
    assert.deepEqual(Object.keys(status.disruptedPods ?? {}), ['p0']);
    assert.deepEqual([status.currentHealthy, status.disruptionsAllowed], [2, 1]);
    assert.deepEqual(
      notDeleted.map(({ metadata }) => metadata?.name),
      ['p1'],
    );
    assert.equal(wakeAfterMs, 90_001);
  });

  test('that cannot be worked out allows nothing, and says why', () => {
    const { status } = planBudget(budget({ maxUnavailable: 1 }), {
      ...factsOf(pods(3)),
      scale: { failure: 'jobs.batch does not implement the scale subresource' },
      nowMs: now,
    });
    assert.equal(status.disruptionsAllowed, 0);
    assert.equal(status.conditions?.[0]?.reason, 'SyncFailed');
  });

  test('never allows so many that fewer are healthy than shall be', () => {
    const amounts = fc.oneof(
      fc.nat({ max: 12 }),
      fc.nat({ max: 100 }).map((value) => `${value}%`),
    );
    fc.assert(
      fc.property(
        amounts,
        fc.boolean(),
        fc.nat({ max: 10 }),
        fc.nat({ max: 10 }),
        (amount, isMinimum, count, unready) => {
          const spec = isMinimum ? { minAvailable: amount } : { maxUnavailable: amount };
          const [, healthy = 0, desired = 0, allowed = 0] = numbers(budget(spec), pods(count, unready), 10);
          assert.ok(allowed >= 0 && (allowed === 0 || healthy - allowed >= desired));
        },
      ),
    );
  });
});
