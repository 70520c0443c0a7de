import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CronJobSpec, Job, JobSpec } from '../../../../protocol/generated/models.ts';
import { cronJobKind } from '../../../../protocol/kinds/cron-job.ts';
import { jobKind } from '../../../../protocol/kinds/job.ts';
import { admit, faults, row, updateFaults } from './admit.ts';

const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'a', image: 'a:1' }] } };
const jobOf = (spec: Partial<JobSpec> = {}): Job => ({
  metadata: { name: 'one', namespace: 'here', uid: 'u1' },
  spec: { template, ...spec },
});

test('a job runs once by default, and its pods are told apart by its uid', () => {
  const { spec, metadata } = admit(jobKind, jobOf());
  const { template: made, ...rest } = spec ?? assert.fail();
  assert.deepEqual(rest, {
    completions: 1,
    parallelism: 1,
    backoffLimit: 6,
    completionMode: 'NonIndexed',
    suspend: false,
    podReplacementPolicy: 'TerminatingOrFailed',
    manualSelector: false,
    selector: { matchLabels: { 'batch.kubernetes.io/controller-uid': 'u1' } },
  });
  const labels = {
    'batch.kubernetes.io/controller-uid': 'u1',
    'batch.kubernetes.io/job-name': 'one',
    'controller-uid': 'u1',
    'job-name': 'one',
  };
  assert.deepEqual(made.metadata?.labels, labels);
  assert.deepEqual(metadata?.labels, labels, 'a job without labels bears those of its pods');
});

test('a work queue has no number of completions', () => {
  const { spec } = admit(jobKind, jobOf({ parallelism: 3 }));
  assert.equal(spec?.completions, undefined);
  assert.equal(row(jobKind, admit(jobKind, jobOf({ parallelism: 3 })))['Completions'], '0/1 of 3');
});

test('what no job can be is refused', () => {
  const always = { spec: { ...template.spec, restartPolicy: 'Always' } };
  assert.deepEqual(faults(jobKind, jobOf({ template: always })), [
    'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
  ]);
  assert.deepEqual(faults(jobKind, jobOf({ completions: -1, backoffLimitPerIndex: 1 })), [
    'spec.completions: Invalid value: -1: must be greater than or equal to 0',
    'spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode',
  ]);
  assert.deepEqual(faults(jobKind, jobOf({ completionMode: 'Indexed', parallelism: 1 })), [
    'spec.completions: Required value: when completion mode is Indexed',
  ]);
  const selector = { matchLabels: { a: 'b' } };
  assert.deepEqual(faults(jobKind, jobOf({ manualSelector: true, selector })), [
    'spec.template.metadata.labels: Invalid value: {}: `selector` does not match template `labels`',
  ]);
  const rules = [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [3, 0] } }];
  assert.deepEqual(faults(jobKind, jobOf({ podFailurePolicy: { rules } })), [
    'spec.podFailurePolicy.rules[0].onExitCodes.values[1]: Invalid value: 0: must not be 0 for the In operator',
    'spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [3,0]: must be ordered',
  ]);
});

test('the template of a job is fixed once it may have started', () => {
  const image = (next: Job) => {
    const [container] = next.spec?.template.spec?.containers ?? [];
    if (container) container.image = 'b:1';
  };
  assert.match(updateFaults(jobKind, jobOf(), image)[0] ?? '', /^spec\.template: .*field is immutable$/);
  const where = (next: Job) => {
    if (next.spec?.template.spec) next.spec.template.spec.nodeSelector = { zone: 'a' };
  };
  assert.equal(updateFaults(jobKind, jobOf(), where).length, 1);
  assert.deepEqual(updateFaults(jobKind, jobOf({ suspend: true }), where), []);
  assert.equal(updateFaults(jobKind, jobOf({ suspend: true }), image).length, 1);
  const indexed = jobOf({ completionMode: 'Indexed', completions: 2, parallelism: 2 });
  const scale = (parallelism: number) => (next: Job) =>
    Object.assign(next.spec ?? {}, { completions: 5, parallelism });
  assert.deepEqual(updateFaults(jobKind, indexed, scale(5)), []);
  assert.deepEqual(updateFaults(jobKind, indexed, scale(2)), [
    'spec.completions: Invalid value: 5: can only be modified in tandem with spec.parallelism',
  ]);
});

test('a job shows how far it is and how long it took', () => {
  const shown = (status: Job['status']) =>
    row(jobKind, { ...jobOf({ completions: 2 }), status: status ?? {} }, 90_000);
  const start = '1970-01-01T00:00:00Z';
  assert.deepEqual(
    [shown({ startTime: start })['Status'], shown({ startTime: start })['Duration']],
    ['Running', '90s'],
  );
  const complete = shown({
    startTime: start,
    completionTime: '1970-01-01T00:00:05Z',
    succeeded: 2,
    conditions: [{ type: 'Complete', status: 'True' }],
  });
  assert.deepEqual(
    [complete['Status'], complete['Completions'], complete['Duration']],
    ['Complete', '2/2', '5s'],
  );
  assert.equal(shown({ conditions: [{ type: 'Suspended', status: 'True' }] })['Status'], 'Suspended');
});

const cron = (spec: Partial<CronJobSpec>, name = 'often') => ({
  metadata: { name, namespace: 'here' },
  spec: { schedule: '@daily', jobTemplate: { spec: { template } }, ...spec },
});

test('a cron job keeps three good jobs and a bad one, and lets them overlap', () => {
  const { spec } = admit(cronJobKind, cron({}));
  const { jobTemplate: _, ...rest } = spec ?? cron({}).spec;
  assert.deepEqual(rest, {
    schedule: '@daily',
    concurrencyPolicy: 'Allow',
    suspend: false,
    successfulJobsHistoryLimit: 3,
    failedJobsHistoryLimit: 1,
  });
});

test('a schedule, a time zone and a name that cannot be are refused', () => {
  assert.deepEqual(faults(cronJobKind, cron({ schedule: 'CRON_TZ=UTC * * * * *' })), [
    'spec.schedule: Invalid value: "CRON_TZ=UTC * * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead',
  ]);
  assert.deepEqual(faults(cronJobKind, cron({ timeZone: 'Europe/Pariss' })), [
    'spec.timeZone: Invalid value: "Europe/Pariss": unknown time zone Europe/Pariss',
  ]);
  assert.deepEqual(faults(cronJobKind, cron({ timeZone: 'Europe/Paris' })), []);
  assert.deepEqual(faults(cronJobKind, cron({}, 'x'.repeat(53))), [
    `metadata.name: Invalid value: "${'x'.repeat(53)}": must be no more than 52 characters`,
  ]);
});
