import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import * as fc from 'fast-check';
import {
  type MaintenanceWindow,
  type RolloutBatch,
  type RolloutPolicySpec,
  resumeAnnotation,
  type WorkloadRollout,
} from '../../../../protocol/kinds/rollout-policy.ts';
import {
  batchesByNode,
  batchNames,
  type RolloutUnit,
} from '../../../../server/controllers/rollout-policy/batches.ts';
import { planRollout, type RolloutPlan } from '../../../../server/controllers/rollout-policy/plan.ts';
import {
  lockState,
  type UnitState,
  updatedState,
} from '../../../../server/controllers/rollout-policy/unit-state.ts';
import { windowState } from '../../../../server/controllers/rollout-policy/windows.ts';

const now = Date.UTC(2026, 0, 7, 12, 30);
const at = (secondsAgo: number) => new Date(now - secondsAgo * 1000).toISOString();
const canary = { name: 'canary', selector: { matchLabels: { site: 'lab' } } };
const closed = [{ schedule: '0 2 * * *', durationSeconds: 3600 }];

function unit(name: string, state: UnitState, more: Partial<RolloutUnit> = {}): RolloutUnit {
  const site = name.startsWith('lab') ? 'lab' : 'field';
  return { name, labels: { site }, state, locked: false, ready: true, revision: 'v1', ...more };
}

interface Facts {
  spec?: RolloutPolicySpec;
  before?: WorkloadRollout;
  revision?: string;
  resume?: string;
  nowMs?: number;
}

function plan(units: readonly RolloutUnit[], facts: Facts = {}): RolloutPlan {
  const spec = { batches: [canary], ...facts.spec };
  const batches = batchesByNode(spec.batches, units);
  return planRollout({
    policy: { spec },
    workload: {
      kind: 'DaemonSet',
      name: 'ds',
      uid: 'ds',
      annotations: facts.resume === undefined ? {} : { [resumeAnnotation]: facts.resume },
    },
    before: facts.before,
    units,
    batchOf: ({ name }) => batches.get(name) ?? 0,
    revision: facts.revision ?? 'v2',
    previousRevision: 'v1',
    nowMs: facts.nowMs ?? now,
  });
}

const replaceable = (units: readonly RolloutUnit[], { mayReplace }: RolloutPlan) =>
  units.filter((one) => one.state === 'waiting' && mayReplace(one)).map(({ name }) => name);

suite('a rollout with a policy', () => {
  test('begins with the first batch, and goes on when enough of it are healthy', () => {
    const first = [unit('lab1', 'waiting'), unit('lab2', 'waiting'), unit('a', 'waiting')];
    assert.deepEqual(replaceable(first, plan(first)), ['lab1', 'lab2']);
    const half = [unit('lab1', 'healthy'), unit('lab2', 'updating'), unit('a', 'waiting')];
    assert.deepEqual(replaceable(half, plan(half)), []);
    assert.deepEqual(replaceable(half, plan(half, { spec: { healthyPercent: 50 } })), ['a']);
  });

  test('does not go back to a batch that has passed, but fails when it does', () => {
    const done = plan([unit('lab1', 'healthy'), unit('a', 'waiting')]).rollout;
    assert.deepEqual([done.passed, done.batch], [1, 'rest']);
    const later = [unit('lab1', 'updating'), unit('a', 'waiting')];
    assert.deepEqual(replaceable(later, plan(later, { before: done })), ['a']);
    const failed = plan([unit('lab1', 'failed'), unit('a', 'waiting')], { before: done });
    assert.equal(failed.rollout.phase, 'Failed');
  });

  test('passes over a batch of which nobody can be reached, and returns to it when somebody is back', () => {
    const away = [unit('lab1', 'pending'), unit('a', 'waiting'), unit('b', 'waiting')];
    const over = plan(away);
    assert.deepEqual(replaceable(away, over), ['a', 'b']);
    const back = [unit('lab1', 'waiting'), unit('a', 'waiting'), unit('b', 'updating')];
    assert.deepEqual(replaceable(back, plan(back, { before: over.rollout })), ['lab1']);
    const nobody = plan([unit('lab1', 'pending'), unit('a', 'pending')]);
    assert.deepEqual([nobody.rollout.phase, nobody.rollout.reason], ['Progressing', 'NoDevices']);
  });

  test('that failed gives the stable revision back, and does not try what failed again until told to', () => {
    const bad = [unit('lab1', 'failed'), unit('a', 'waiting')];
    const spec = { onFailure: 'Rollback' };
    const failed = plan(bad, { spec });
    assert.equal(failed.rollBackTo, 'v1');
    assert.equal(
      plan(bad, { spec, before: failed.rollout }).rollBackTo,
      'v1',
      'also after a crash in between',
    );
    const back = [unit('lab1', 'waiting', { ready: false, revision: 'v2' }), unit('a', 'healthy')];
    const returning = plan(back, { spec, before: failed.rollout, revision: 'v1' });
    assert.equal(returning.rollout.phase, 'RollingBack');
    assert.deepEqual(replaceable(back, returning), ['lab1']);
    const well = [unit('lab1', 'healthy'), unit('a', 'healthy')];
    const settled = plan(well, { spec, before: returning.rollout, revision: 'v1' }).rollout;
    assert.equal(settled.phase, 'RolledBack');
    const asOld = [unit('lab1', 'waiting'), unit('a', 'waiting')];
    const again = plan(asOld, { spec, before: settled });
    assert.deepEqual([again.rollout.reason, again.rollBackTo], ['FailedBefore', undefined]);
    assert.deepEqual(replaceable(asOld, again), []);
    const resumed = plan(asOld, { spec, before: again.rollout, resume: '1' });
    assert.deepEqual(replaceable(asOld, resumed), ['lab1']);
  });

  test('in a rollback replaces outside of the windows only what is broken of the version that failed', () => {
    const failed = [unit('lab1', 'failed'), unit('a', 'waiting')];
    const before = plan(failed, { spec: { onFailure: 'Rollback' } }).rollout;
    const back = [
      unit('lab1', 'waiting', { ready: false, revision: 'v2' }),
      unit('lab2', 'waiting', { ready: true, revision: 'v2' }),
      unit('lab3', 'waiting', { ready: false, revision: 'v0' }),
    ];
    const returning = plan(back, { before, revision: 'v1', spec: { windows: closed } });
    assert.deepEqual(replaceable(back, returning), ['lab1']);
  });

  test('gives what lost its pod beyond the open batches the stable revision', () => {
    const held = plan([unit('lab1', 'waiting'), unit('a', 'waiting')]);
    assert.deepEqual([held.getsNewest(0), held.getsNewest(1)], [true, false]);
    const paused = plan([unit('lab1', 'waiting')], { spec: { paused: true } });
    assert.equal(paused.getsNewest(0), false);
    const complete = plan([unit('lab1', 'healthy'), unit('a', 'healthy')]);
    assert.equal(complete.rollout.phase, 'Complete');
    assert.equal(complete.getsNewest(1), true);
  });

  const states: readonly UnitState[] = ['pending', 'waiting', 'updating', 'healthy', 'failed'];
  const anyUnits = fc.array(
    fc.record({
      state: fc.constantFrom(...states),
      site: fc.constantFrom('lab', 'field'),
      locked: fc.boolean(),
      ready: fc.boolean(),
    }),
    { maxLength: 12 },
  );
  const anySpec = fc.record({
    batches: fc.constantFrom<RolloutBatch[]>(
      [],
      [canary],
      [canary, { name: 'half', percent: 50 }],
      [{ name: 'all', percent: 100 }],
    ),
    healthyPercent: fc.constantFrom(1, 50, 100),
    onFailure: fc.constantFrom('Pause', 'Rollback'),
    paused: fc.boolean(),
    windows: fc.constantFrom<MaintenanceWindow[]>([], closed),
  });
  const named = (
    units: readonly Pick<RolloutUnit, 'state' | 'locked' | 'ready'>[],
    sites: readonly string[],
  ) => units.map((one, index) => unit(`${sites[index] === 'lab' ? 'lab' : 'n'}${index}`, one.state, one));

  test('never updates while paused, failed, locked or outside of its windows, nor beyond its batch', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(anyUnits, anySpec, fc.constantFrom('v2', 'v3')), { maxLength: 6 }),
        (rounds) => {
          let before: WorkloadRollout | undefined;
          for (const [raw, spec, revision] of rounds) {
            const units = named(
              raw,
              raw.map(({ site }) => site),
            );
            const result = plan(units, { spec, revision, ...(before ? { before } : {}) });
            const { rollout } = result;
            const batches = batchesByNode(spec.batches, units);
            const current = batchNames(spec.batches).indexOf(rollout.batch ?? '');
            for (const one of units.filter(result.mayReplace)) {
              assert.ok(
                !one.locked && !spec.paused && rollout.phase !== 'Failed' && rollout.phase !== 'Paused',
              );
              if (spec.windows.length > 0) assert.ok(rollout.phase === 'RollingBack' && !one.ready);
              if (rollout.phase === 'Progressing' && current >= 0)
                assert.ok((batches.get(one.name) ?? 0) <= current);
            }
            if (result.rollBackTo !== undefined) {
              assert.ok(!spec.paused && spec.onFailure === 'Rollback');
              assert.equal(result.rollBackTo, rollout.stableRevision);
            }
            before = rollout;
          }
        },
      ),
      { numRuns: 500, seed: 4 },
    );
  });

  test('is told the same, whoever is offline: they neither block nor count', () => {
    fc.assert(
      fc.property(anyUnits, anySpec, (raw, spec) => {
        const reachable = named(
          raw,
          raw.map(({ site }) => site),
        ).filter(({ state }) => state !== 'pending');
        const batches = spec.batches.filter(({ percent }) => percent === undefined);
        const away = [unit('lab-away', 'pending'), unit('away', 'pending')];
        const one = plan(reachable, { spec: { ...spec, batches } });
        const other = plan([...reachable, ...away], { spec: { ...spec, batches } });
        if (reachable.length === 0) return;
        assert.deepEqual(replaceable(reachable, other), replaceable(reachable, one));
        assert.equal(other.rollout.phase, one.rollout.phase);
        assert.equal(other.rollout.pending, 2);
      }),
      { numRuns: 300, seed: 5 },
    );
  });
});

suite('what a rollout looks at', () => {
  const rules = { healthyMs: 60_000, deadlineMs: 600_000, nowMs: now };
  const pod = (created: number, ready?: [status: string, since: number], started = true) => ({
    metadata: { name: 'p', uid: 'p', resourceVersion: '1', creationTimestamp: at(created) },
    status: {
      ...(started ? { startTime: at(created) } : {}),
      conditions: ready ? [{ type: 'Ready', status: ready[0], lastTransitionTime: at(ready[1]) }] : [],
    },
  });

  test('a pod is healthy when it was ready for long enough, failed when it was not for too long', () => {
    assert.deepEqual(updatedState(pod(90, ['True', 60]), undefined, rules).is, 'healthy');
    assert.deepEqual(updatedState(pod(90, ['True', 59]), undefined, rules), {
      is: 'updating',
      untilMs: now + 1000,
    });
    assert.equal(updatedState(pod(700, ['False', 599]), undefined, rules).is, 'updating');
    assert.equal(updatedState(pod(700, ['False', 600]), undefined, rules).is, 'failed');
    const crashing = { ...pod(10), status: { containerStatuses: [waiting('CrashLoopBackOff')] } };
    assert.equal(updatedState(crashing, undefined, rules).is, 'failed');
    assert.equal(
      updatedState(pod(90, ['True', -5000]), undefined, rules).is,
      'healthy',
      'a clock that is ahead',
    );
    assert.equal(updatedState(pod(30, ['True', 1e9]), undefined, rules).is, 'updating', 'a clock at 1970');
  });

  test('a silent device is pending before delivery, failed after it, healthy if it had proven itself', () => {
    const silent = (seconds: number) => now - seconds * 1000;
    assert.equal(updatedState(pod(900, undefined, false), silent(800), rules).is, 'pending');
    assert.equal(updatedState(pod(900, ['True', 880]), silent(800), rules).is, 'healthy');
    assert.equal(updatedState(pod(900, ['True', 830]), silent(800), rules).is, 'failed');
    assert.equal(updatedState(pod(900, ['True', 630]), silent(599), rules).is, 'updating');
  });

  test('a lock is respected until its maximum age, whatever the clock of its device says', () => {
    const locked = (secondsAgo: number) => ({
      status: {
        conditions: [
          { type: 'fleet.flotilla.dev/UpdateLock', status: 'True', lastTransitionTime: at(secondsAgo) },
        ],
      },
    });
    const ages = { maxAgeMs: 100_000, startedMs: now - 50_000, nowMs: now };
    assert.equal(lockState(locked(10), ages).is, true);
    assert.equal(lockState(locked(5_000), ages).is, true, 'taken before the rollout began');
    assert.equal(lockState(locked(-5_000), ages).is, true);
    assert.equal(lockState(locked(10), { ...ages, maxAgeMs: 10_000 }).is, false);
    assert.equal(lockState(locked(5_000), { ...ages, maxAgeMs: 50_000 }).is, false);
    assert.equal(lockState({ status: {} }, ages).is, false);
  });

  test('a window is open from its time on for as long as it lasts, by the clocks of its zone', () => {
    const window = { schedule: '0 2 * * *', durationSeconds: 3600, timeZone: 'Europe/Berlin' };
    const state = (time: string) => windowState([window], Date.parse(time));
    assert.deepEqual(state('2026-07-01T00:00:00Z'), {
      open: true,
      changesAtMs: Date.parse('2026-07-01T01:00:00Z'),
    });
    assert.equal(state('2026-07-01T01:00:00Z').open, false);
    assert.deepEqual(state('2026-01-01T00:59:59Z'), {
      open: false,
      changesAtMs: Date.parse('2026-01-01T01:00:00Z'),
    });
    assert.deepEqual(windowState([], now), { open: true, changesAtMs: undefined });
  });

  test('batches by percent take their share of all, whatever the names, and keep to it when more join', () => {
    const nodes = (count: number) =>
      Array.from({ length: count }, (_, index) => unit(`node-${index}`, 'waiting'));
    const batches = [{ percent: 10 }, { percent: 50 }];
    const sizes = (count: number) => {
      const all = [...batchesByNode(batches, nodes(count)).values()];
      return [0, 1, 2].map((batch) => all.filter((one) => one === batch).length);
    };
    assert.deepEqual(sizes(200), [20, 80, 100]);
    assert.deepEqual(sizes(3), [1, 1, 1]);
    assert.deepEqual(batchNames(batches), ['batch-1', 'batch-2', 'rest']);
    const some = batchesByNode(batches, nodes(200));
    const more = batchesByNode(batches, nodes(220));
    const moved = [...some].filter(([name, batch]) => (more.get(name) ?? 0) > batch);
    assert.ok(moved.length < 20, 'those who join displace as many at most as they are');
  });
});

function waiting(reason: string) {
  return { name: 'c', image: '', imageID: '', ready: false, restartCount: 3, state: { waiting: { reason } } };
}
