import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import * as fc from 'fast-check';
import type { Job, JobSpec, Pod } from '../../../../protocol/generated/models.ts';
import { buildPod } from '../../../../server/controllers/job/build-pod.ts';
import { formatIndexes, parseIndexes } from '../../../../server/controllers/job/index-set.ts';
import { indexOf, isTracked, trackingFinalizer } from '../../../../server/controllers/job/job-pods.ts';
import { type JobPlan, type NewPod, planJob } from '../../../../server/controllers/job/plan.ts';

const now = Date.UTC(2026, 0, 1);
const at = (secondsAgo: number) => new Date(now - secondsAgo * 1000).toISOString();

function job(spec: Partial<JobSpec> = {}, status: Job['status'] = { startTime: at(60) }): Job {
  return {
    metadata: { name: 'work', namespace: 'default', uid: 'work' },
    spec: {
      parallelism: 1,
      completions: 1,
      backoffLimit: 6,
      podReplacementPolicy: 'TerminatingOrFailed',
      template: {
        metadata: { labels: { app: 'work' } },
        spec: { containers: [{ name: 'c' }], restartPolicy: 'Never' },
      },
      ...spec,
    },
    status,
  };
}

const indexed = (completions: number, more: Partial<JobSpec> = {}): Partial<JobSpec> => ({
  completionMode: 'Indexed',
  completions,
  parallelism: completions,
  ...more,
});

interface PodFacts extends NewPod {
  phase?: string;
  deleting?: boolean;
  untracked?: boolean;
  exitCode?: number;
  endedSecondsAgo?: number;
  condition?: string;
}

function pod(name: string, facts: PodFacts = {}): Pod {
  const { phase = 'Running', deleting, untracked, exitCode, endedSecondsAgo = 1000, condition } = facts;
  const built = buildPod(job(), facts);
  const ended = { exitCode: exitCode ?? 0, finishedAt: at(endedSecondsAgo) };
  return {
    ...built,
    metadata: {
      ...built.metadata,
      name,
      namespace: 'default',
      uid: name,
      creationTimestamp: at(100),
      finalizers: untracked ? [] : [trackingFinalizer],
      ...(deleting ? { deletionTimestamp: at(1), deletionGracePeriodSeconds: 30 } : {}),
    },
    status: {
      phase,
      conditions: condition === undefined ? [] : [{ type: condition, status: 'True' }],
      containerStatuses: [
        {
          name: 'c',
          image: '',
          imageID: '',
          ready: false,
          restartCount: 0,
          ...(phase === 'Running' ? {} : { state: { terminated: ended } }),
        },
      ],
    },
  };
}

const names = (pods: readonly Readonly<Pod>[]) => pods.map(({ metadata }) => metadata?.name).sort();
const plan = (of: Job, pods: Pod[] = []): JobPlan => planJob(of, pods, now);
const verdicts = ({ status }: JobPlan) =>
  (status.conditions ?? []).map(({ type, status: value, reason }) => `${type}=${value} ${reason}`);

suite('the pods of a Job', () => {
  test('are as many as may work side by side, and never more than are missing', () => {
    assert.equal(plan(job({ parallelism: 3, completions: 5 })).create.length, 3);
    const almost = job({ parallelism: 3, completions: 5 }, { startTime: at(60), succeeded: 4 });
    assert.equal(plan(almost, []).create.length, 1);
    assert.equal(plan(almost, [pod('a')]).create.length, 0);
    assert.deepEqual(names(plan(almost, [pod('a'), pod('b')]).discard).length, 1);
  });

  test('without completions end with the first success, and none is made after it', () => {
    const endless: Partial<JobSpec> = { parallelism: 3 };
    const set = job(endless);
    delete set.spec?.completions;
    assert.equal(plan(set).create.length, 3);
    const won = plan(set, [pod('a', { phase: 'Succeeded' }), pod('b')]);
    assert.deepEqual([won.create.length, verdicts(won)], [0, []]);
    const over = plan(set, [pod('a', { phase: 'Succeeded', untracked: false })]);
    assert.deepEqual(verdicts(over), ['SuccessCriteriaMet=True CompletionsReached']);
  });

  test('of an indexed Job work on one index each, the lowest first, and know it', () => {
    const created = plan(job(indexed(4, { parallelism: 2 }), { startTime: at(9), completedIndexes: '0' }), [
      pod('a', { index: 1 }),
    ]);
    assert.deepEqual(created.create, [{ index: 2 }]);
    const built = buildPod(job(), { index: 2 });
    assert.equal(built.metadata?.generateName, 'work-2-');
    assert.equal(built.metadata?.annotations?.['batch.kubernetes.io/job-completion-index'], '2');
    assert.equal(built.spec?.hostname, 'work-2');
    assert.equal(built.spec?.containers[0]?.env?.[0]?.name, 'JOB_COMPLETION_INDEX');
    const doubled = plan(job(indexed(2)), [
      pod('a', { index: 0 }),
      pod('b', { index: 0 }),
      pod('c', { index: 7 }),
    ]);
    assert.equal(doubled.discard.length, 2);
    assert.ok(names(doubled.discard).includes('c'));
  });

  test('wait longer after each failure, and not at all after a success', () => {
    const failed = (name: string, endedSecondsAgo: number) => pod(name, { phase: 'Failed', endedSecondsAgo });
    const one = plan(job(), [failed('a', 4)]);
    assert.deepEqual([one.create.length, one.wakeAfterMs], [0, 6_000]);
    const three = plan(job(), [failed('a', 90), failed('b', 60), failed('c', 4)]);
    assert.equal(three.wakeAfterMs, 36_000);
    assert.equal(plan(job(), [failed('a', 11)]).create.length, 1);
    const reset = plan(job({ completions: 3 }), [
      failed('a', 9),
      pod('b', { phase: 'Succeeded', endedSecondsAgo: 2 }),
    ]);
    assert.equal(reset.create.length, 1);
  });

  test('that are on their way out are replaced at once, or only when they have ended, as the policy says', () => {
    const going = [pod('a', { deleting: true })];
    assert.equal(plan(job({ podReplacementPolicy: 'Failed' }), going).create.length, 0);
    const atOnce = plan(job(), going);
    assert.deepEqual([atOnce.status.terminating, names(atOnce.release)], [1, ['a']]);
  });

  test('are taken away uncounted when the Job is suspended; it goes on when it is resumed, with a new deadline', () => {
    const suspended = plan(job({ suspend: true, activeDeadlineSeconds: 30 }), [pod('a')]);
    assert.deepEqual([names(suspended.discard), suspended.release], [['a'], []]);
    assert.deepEqual(verdicts(suspended), ['Suspended=True JobSuspended']);
    const resumed = plan(job({ activeDeadlineSeconds: 30 }, suspended.status), []);
    assert.deepEqual(verdicts(resumed), ['Suspended=False JobResumed']);
    assert.deepEqual([resumed.create.length, resumed.status.startTime], [1, '2026-01-01T00:00:00Z']);
  });
});

suite('a Job ends', () => {
  const failed = (name: string, more: PodFacts = {}) => pod(name, { phase: 'Failed', exitCode: 1, ...more });

  test('in failure, past its back-off limit: the others go, and it is Failed when nothing of it runs', () => {
    const limited = job({ backoffLimit: 1, parallelism: 3, completions: 9 });
    const first = plan(limited, [failed('a'), failed('b'), pod('c')]);
    assert.deepEqual(verdicts(first), ['FailureTarget=True BackoffLimitExceeded']);
    assert.deepEqual([names(first.stop), names(first.release), first.create], [['c'], ['a', 'b', 'c'], []]);
    const going = [
      failed('a', { untracked: true }),
      failed('b', { untracked: true }),
      pod('c', { untracked: true, deleting: true }),
    ];
    const second = plan(job(limited.spec, first.status), going);
    assert.deepEqual(verdicts(second), ['FailureTarget=True BackoffLimitExceeded']);
    const third = plan(job(limited.spec, second.status), going.slice(0, 2));
    assert.deepEqual(verdicts(third), [
      'FailureTarget=True BackoffLimitExceeded',
      'Failed=True BackoffLimitExceeded',
    ]);
    assert.deepEqual(third.events, [
      {
        type: 'Warning',
        reason: 'BackoffLimitExceeded',
        message: 'Job has reached the specified backoff limit',
      },
    ]);
    assert.equal(third.status.failed, 3);
  });

  test('in failure, past its deadline', () => {
    assert.deepEqual(verdicts(plan(job({ activeDeadlineSeconds: 60 }), [pod('a')])), [
      'FailureTarget=True DeadlineExceeded',
    ]);
    assert.equal(plan(job({ activeDeadlineSeconds: 90 }), [pod('a')]).wakeAfterMs, 30_000);
  });

  test('as a rule about exit codes or conditions says', () => {
    const rules = [
      { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
      { action: 'FailJob', onExitCodes: { containerName: 'c', operator: 'In', values: [42] } },
    ];
    const strict = job({ podFailurePolicy: { rules }, backoffLimit: 0 });
    const ignored = plan(strict, [failed('a', { condition: 'DisruptionTarget' })]);
    assert.deepEqual(
      [verdicts(ignored), ignored.status.uncountedTerminatedPods, names(ignored.release)],
      [[], {}, ['a']],
    );
    const fatal = plan(strict, [failed('a', { exitCode: 42 })]);
    assert.equal(
      fatal.status.conditions?.[0]?.message,
      'Container c for pod default/a failed with exit code 42 matching FailJob rule at index 1',
    );
  });

  test('in success when as many succeeded as its policy asks for, and the rest is stopped', () => {
    const successPolicy = { rules: [{ succeededIndexes: '0,2-3', succeededCount: 1 }] };
    const pods = [pod('a', { index: 2, phase: 'Succeeded' }), pod('b', { index: 1 })];
    const won = plan(job(indexed(4, { successPolicy })), pods);
    assert.deepEqual(verdicts(won), ['SuccessCriteriaMet=True SuccessPolicy']);
    assert.deepEqual(names(won.stop), ['b']);
    const over = plan(job(indexed(4, { successPolicy }), won.status), [
      pod('a', { index: 2, phase: 'Succeeded', untracked: true }),
    ]);
    assert.deepEqual(verdicts(over), [
      'SuccessCriteriaMet=True SuccessPolicy',
      'Complete=True SuccessPolicy',
    ]);
    assert.equal(over.status.completedIndexes, '2');
  });

  test('each index on its own: it fails past its own limit, the others go on', () => {
    const perIndex = indexed(3, { backoffLimitPerIndex: 1, backoffLimit: 2 ** 31 - 1 });
    const once = plan(job(perIndex), [failed('a', { index: 0, failures: { counted: 0, ignored: 0 } })]);
    assert.deepEqual(once.create, [
      { index: 0, failures: { counted: 1, ignored: 0 } },
      { index: 1, failures: { counted: 0, ignored: 0 } },
      { index: 2, failures: { counted: 0, ignored: 0 } },
    ]);
    assert.deepEqual(names(once.release), [], 'it remembers how often its index failed until it is replaced');
    const twice = plan(job(perIndex), [failed('b', { index: 0, failures: { counted: 1, ignored: 0 } })]);
    assert.equal(twice.status.failedIndexes, '0');
    assert.deepEqual(
      twice.create.map(({ index }) => index),
      [1, 2],
    );
    const most = job(indexed(3, { backoffLimitPerIndex: 0, maxFailedIndexes: 1 }));
    const pods = [0, 1].map((index) => failed(`p${index}`, { index, failures: { counted: 0, ignored: 0 } }));
    assert.deepEqual(verdicts(plan(most, pods)), ['FailureTarget=True MaxFailedIndexesExceeded']);
  });
});

test('index sets are written as Kubernetes writes them', () => {
  assert.equal(formatIndexes(new Set([7, 1, 3, 4, 5])), '1,3-5,7');
  assert.deepEqual([...parseIndexes('1,3-5,7,x,9-8', 7)], [1, 3, 4, 5]);
});

test('whatever crashes and fails, each end is counted once, no index succeeds twice, and completions are never exceeded', () => {
  const specs = fc.record({
    completions: fc.integer({ min: 1, max: 5 }),
    parallelism: fc.integer({ min: 1, max: 4 }),
    isIndexed: fc.boolean(),
    policy: fc.constantFrom('Failed', 'TerminatingOrFailed'),
  });
  fc.assert(
    fc.property(specs, fc.array(fc.nat({ max: 9999 }), { maxLength: 60 }), (spec, choices) =>
      new Run(spec).run(choices),
    ),
    { numRuns: 100 },
  );
});

/** A Job under a controller that may be cut off after any of its writes. */
class Run {
  #job: Job;
  #pods: Pod[] = [];
  #made = 0;
  #succeeded = 0;
  #failed = 0;
  #nowMs = now;

  constructor(spec: { completions: number; parallelism: number; isIndexed: boolean; policy: string }) {
    const { completions, parallelism, isIndexed, policy } = spec;
    const mode = isIndexed ? 'Indexed' : 'NonIndexed';
    this.#job = job(
      { completions, parallelism, completionMode: mode, podReplacementPolicy: policy, backoffLimit: 1e6 },
      {},
    );
  }

  run(choices: readonly number[]): void {
    for (const choice of choices) {
      this.#happen(choice);
      this.#step(choice % 5);
    }
    for (let round = 0; round < 60; round += 1) {
      for (const one of this.#pods.slice()) this.#end(one, 'Succeeded');
      this.#step(9);
    }
    const { succeeded, failed = 0, uncountedTerminatedPods, conditions } = this.#job.status ?? {};
    assert.equal(conditions?.at(-1)?.type, 'Complete');
    assert.deepEqual(uncountedTerminatedPods, {});
    assert.deepEqual({ succeeded, failed }, { succeeded: this.#succeeded, failed: this.#failed });
    assert.equal(succeeded, this.#job.spec?.completions);
    assert.deepEqual(this.#pods.filter(isTracked), []);
  }

  #happen(choice: number): void {
    const one = this.#pods[choice % Math.max(1, this.#pods.length)];
    if (!one) return;
    if (choice % 7 === 0 && one.metadata && !this.#isOver(one)) one.metadata.deletionTimestamp = at(0);
    else this.#end(one, choice % 3 === 0 ? 'Failed' : 'Succeeded');
  }

  #isOver({ status }: Readonly<Pod>): boolean {
    return status?.phase === 'Succeeded' || status?.phase === 'Failed';
  }

  #end(one: Pod, phase: string): void {
    if (this.#isOver(one) || !one.status) return;
    // One on its way out was counted as failed already, or does not end well.
    one.status.phase = one.metadata?.deletionTimestamp ? 'Failed' : phase;
    if (phase === 'Succeeded' && !one.metadata?.deletionTimestamp) this.#succeeded += 1;
    else this.#failed += 1;
  }

  /** `writes`: after so many of its groups of writes the controller is cut off. */
  #step(writes: number): void {
    this.#nowMs += 700_000;
    const step = planJob(this.#job, this.#pods, this.#nowMs);
    this.#checkBounds(step);
    const groups = [
      () => step.create.forEach((wanted) => this.#pods.push(pod(`p${(this.#made += 1)}`, wanted))),
      () => assert.deepEqual(step.discard, []),
      () => void (this.#job = { ...this.#job, status: step.status }),
      ...step.release.map((one) => () => this.#release(one)),
    ];
    for (const group of groups.slice(0, writes)) group();
  }

  #release(one: Readonly<Pod>): void {
    if (one.metadata) one.metadata.finalizers = [];
    if (one.metadata?.deletionTimestamp)
      this.#pods = this.#pods.filter((other) => other !== one || !this.#isOver(one));
  }

  #checkBounds(step: JobPlan): void {
    const { parallelism = 1, completions = 1 } = this.#job.spec ?? {};
    const active = this.#pods.filter((one) => !this.#isOver(one) && !one.metadata?.deletionTimestamp);
    const total = active.length + step.create.length;
    assert.ok(total <= parallelism, `${total} at work`);
    assert.ok(this.#succeeded + total <= completions, 'more than are missing');
    const indexes = [...active.map(indexOf), ...step.create.map(({ index }) => index)].filter(
      (index) => index !== undefined,
    );
    assert.equal(new Set(indexes).size, indexes.length, 'two pods of one index');
  }
}
