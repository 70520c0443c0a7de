import { CronError, parseCron } from '../cron-schedule.ts';
import type { CronJob, CronJobSpec } from '../generated/models.ts';
import { ageSince } from '../human-duration.ts';
import { selectorText } from '../selectors.ts';
import type { StatusCause } from '../status.ts';
import { invalid, nonNegative, notSupported, oneOf, required } from './cause.ts';
import { ageColumn, containerColumns, nameColumn, none, numberColumn, textColumn, wide } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { validateJobSpec } from './job-spec.ts';
import { dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { separateStatus } from './object-parts.ts';
import { defaultPodSpec } from './pod-spec/defaults.ts';

/** A job's name is its CronJob's and eleven characters more, within a label's 63. */
const nameLengthMax = 52;

export const cronJobKind = defineKind<CronJob>({
  group: 'batch',
  version: 'v1',
  kind: 'CronJob',
  plural: 'cronjobs',
  singular: 'cronjob',
  shortNames: ['cj'],
  categories: ['all'],
  namespaced: true,
  schema: 'io.k8s.api.batch.v1.CronJob',
  verbs: allVerbs,
  subresources: ['status'],
  columns: [
    nameColumn,
    textColumn('Schedule', 'When it runs.', ({ spec }) => spec?.schedule ?? ''),
    textColumn('Timezone', 'Whose clock the schedule follows.', ({ spec }) => spec?.timeZone ?? none),
    textColumn('Suspend', 'Whether it starts nothing for now.', ({ spec }) => boolText(spec?.suspend)),
    numberColumn('Active', 'Jobs of it that run.', ({ status }) => status?.active?.length ?? 0),
    textColumn('Last Schedule', 'Time since it last started a job.', ({ status }, now) =>
      status?.lastScheduleTime === undefined ? none : ageSince(status.lastScheduleTime, now),
    ),
    ageColumn,
    ...containerColumns<CronJob>(({ spec }) => spec?.jobTemplate?.spec?.template?.spec),
    wide(
      textColumn(
        'Selector',
        "Labels of its jobs' pods.",
        ({ spec }) => selectorText(spec?.jobTemplate?.spec?.selector) || none,
      ),
    ),
  ],
  selectableFields: {},

  applyDefaults({ spec }) {
    if (!spec) return;
    spec.concurrencyPolicy ||= 'Allow';
    spec.suspend ??= false;
    spec.successfulJobsHistoryLimit ??= 3;
    spec.failedJobsHistoryLimit ??= 1;
    const podSpec = spec.jobTemplate?.spec?.template?.spec;
    if (podSpec) defaultPodSpec(podSpec);
  },
  prepareCreate(job) {
    job.status = {};
  },
  prepareUpdate: separateStatus,
  validate: (job) => {
    const { name = '' } = job.metadata ?? {};
    const isLong = name.length > nameLengthMax;
    return [
      ...validateObjectMeta(job, dnsSubdomain),
      ...(job.spec ? validateSpec(job.spec) : [required('spec.schedule')]),
      ...(isLong ? [invalid('metadata.name', name, `must be no more than ${nameLengthMax} characters`)] : []),
    ];
  },
});

function boolText(value: boolean | undefined): string {
  if (value === undefined) return '<unset>';
  return value ? 'True' : 'False';
}

/** Source: k8s.io/kubernetes/pkg/apis/batch/validation, validateCronJobSpec. */
function validateSpec(spec: CronJobSpec): StatusCause[] {
  const template = spec.jobTemplate?.spec;
  return [
    ...(spec.schedule ? validateSchedule(spec.schedule, 'spec.schedule') : [required('spec.schedule')]),
    ...nonNegative('spec.startingDeadlineSeconds', spec.startingDeadlineSeconds),
    ...validateTimeZone(spec.timeZone, 'spec.timeZone'),
    ...oneOf('spec.concurrencyPolicy', spec.concurrencyPolicy, ['Allow', 'Forbid', 'Replace']),
    ...(template
      ? validateJobSpec(template, 'spec.jobTemplate.spec')
      : [required('spec.jobTemplate.spec.template')]),
    ...(template?.selector
      ? [invalid('spec.jobTemplate.spec.selector', template.selector, '`selector` will be auto-generated')]
      : []),
    ...(template?.manualSelector === true
      ? [notSupported('spec.jobTemplate.spec.manualSelector', 'true', ['nil', 'false'])]
      : []),
    ...nonNegative('spec.successfulJobsHistoryLimit', spec.successfulJobsHistoryLimit),
    ...nonNegative('spec.failedJobsHistoryLimit', spec.failedJobsHistoryLimit),
  ];
}

export function validateSchedule(schedule: string, field: string): StatusCause[] {
  if (schedule.includes('TZ')) {
    const detail = 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead';
    return [invalid(field, schedule, detail)];
  }
  try {
    parseCron(schedule);
    return [];
  } catch (error) {
    if (error instanceof CronError) return [invalid(field, schedule, error.message)];
    throw error;
  }
}

const zonePart = /^[A-Za-z.\-_0-9+]{1,14}$/;

export function validateTimeZone(zone: string | undefined, field: string): StatusCause[] {
  if (zone === undefined) return [];
  if (zone === '') return [invalid(field, zone, 'timeZone must be nil or non-empty string')];
  const parts = zone.split('/');
  if (zone.toLowerCase() === 'local') {
    const detail = 'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones';
    return [invalid(field, zone, detail)];
  }
  const wellFormed = parts.every(
    (part) => zonePart.test(part) && part !== '.' && part !== '..' && !part.startsWith('-'),
  );
  return wellFormed && isTimeZone(zone) ? [] : [invalid(field, zone, `unknown time zone ${zone}`)];
}

function isTimeZone(zone: string): boolean {
  try {
    // An offset such as +01:00 is a zone to JavaScript, but no name of one.
    return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone[0] !== '+';
  } catch {
    return false;
  }
}
