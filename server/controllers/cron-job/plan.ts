import { CronError, type CronSchedule, parseCron } from '../../../protocol/cron-schedule.ts';
import type { CronJob, CronJobStatus, Job } from '../../../protocol/generated/models.ts';
import { storedMeta, timestamp } from '../../../protocol/kinds/stored-object.ts';
import { conditionHolds, isJobFinished } from '../job/conditions.ts';
import { type Clocked, latestTime, nextTime } from './schedule-times.ts';

/**
 * What to do for one CronJob, given its Jobs and the time. Pure. Rules: each scheduled time starts one Job at most, named
 * by that time, also after a crash; of times that were missed only the latest is made up for, and none that is older than
 * startingDeadlineSeconds; Forbid starts nothing beside a Job that runs, Replace deletes that first; a CronJob that is
 * suspended or being deleted starts nothing. Schedules without a time zone are read in UTC.
 */
export interface CronJobPlan {
  /** The Job to start, and the time it is for. */
  start?: { name: string; scheduledMs: number };
  /** Jobs that the new one replaces. */
  replace: readonly Readonly<Job>[];
  /** Finished Jobs beyond the history limits. */
  outdated: readonly Readonly<Job>[];
  /** Without what `start` adds. */
  status: CronJobStatus;
  events: readonly CronJobEvent[];
  wakeAfterMs: number | undefined;
}

export interface CronJobEvent {
  type: 'Normal' | 'Warning';
  reason: string;
  message: string;
}

/** More missed times than this are worth a warning (Kubernetes' number). */
const manyMissed = 100;

export function planCronJob(
  cronJob: Readonly<CronJob>,
  jobs: readonly Readonly<Job>[],
  nowMs: number,
): CronJobPlan {
  const { status, events } = observe(cronJob, jobs);
  const plan: CronJobPlan = {
    replace: [],
    outdated: outdatedJobs(cronJob, jobs),
    status,
    events,
    wakeAfterMs: undefined,
  };
  if (cronJob.metadata?.deletionTimestamp !== undefined || cronJob.spec?.suspend) return plan;
  const clocked = readSchedule(cronJob);
  if ('reason' in clocked) return { ...plan, events: [...events, clocked] };
  const started = planStart(cronJob, jobs, { plan, clocked, nowMs });
  const next = nextTime(clocked, nowMs);
  return { ...started, wakeAfterMs: next === undefined ? undefined : next - nowMs };
}

/** Brings status.active and lastSuccessfulTime to what the Jobs are. */
function observe(
  cronJob: Readonly<CronJob>,
  jobs: readonly Readonly<Job>[],
): { status: CronJobStatus; events: CronJobEvent[] } {
  const events: CronJobEvent[] = [];
  const byUid = new Map(jobs.map((job) => [storedMeta(job).uid, job]));
  const { active: before = [], lastScheduleTime, lastSuccessfulTime } = cronJob.status ?? {};
  const active = before.filter(({ uid, name }) => {
    const job = byUid.get(uid ?? '');
    if (job && !isJobFinished(job)) return true;
    if (job) {
      const condition = conditionHolds(job, 'Complete') ? 'Complete' : 'Failed';
      events.push({
        type: 'Normal',
        reason: 'SawCompletedJob',
        message: `Saw completed job: ${name}, condition: ${condition}`,
      });
    } else {
      events.push({ type: 'Normal', reason: 'MissingJob', message: `Active job went missing: ${name}` });
    }
    return false;
  });
  const ends = jobs
    .filter((job) => conditionHolds(job, 'Complete'))
    .map(({ status }) => status?.completionTime ?? '');
  const lastSuccess = [lastSuccessfulTime ?? '', ...ends].reduce((last, end) => (end > last ? end : last));
  const status: CronJobStatus = {
    ...(active.length > 0 ? { active } : {}),
    ...(lastScheduleTime === undefined ? {} : { lastScheduleTime }),
    ...(lastSuccess === '' ? {} : { lastSuccessfulTime: lastSuccess }),
  };
  return { status, events };
}

function readSchedule({ spec }: Readonly<CronJob>): Clocked | CronJobEvent {
  const text = spec?.schedule ?? '';
  const timeZone = spec?.timeZone ?? 'UTC';
  const refuse = (reason: string, message: string): CronJobEvent => ({ type: 'Warning', reason, message });
  let schedule: CronSchedule;
  try {
    schedule = parseCron(text);
  } catch (error) {
    if (!(error instanceof CronError)) throw error;
    return refuse('UnparseableSchedule', `unparseable schedule: ${JSON.stringify(text)} : ${error.message}`);
  }
  try {
    void new Intl.DateTimeFormat('en-US', { timeZone });
  } catch {
    return refuse(
      'UnknownTimeZone',
      `invalid timeZone: ${JSON.stringify(timeZone)}: unknown time zone ${timeZone}`,
    );
  }
  return { schedule, timeZone };
}

/** Source: pkg/controller/cronjob, syncCronJob. */
function planStart(
  cronJob: Readonly<CronJob>,
  jobs: readonly Readonly<Job>[],
  { plan, clocked, nowMs }: { plan: CronJobPlan; clocked: Clocked; nowMs: number },
): CronJobPlan {
  const { concurrencyPolicy = 'Allow' } = cronJob.spec ?? {};
  const due = latestTime(clocked, { afterMs: earliestMs(cronJob, nowMs), nowMs });
  const tell = (...events: CronJobEvent[]): CronJobPlan => ({ ...plan, events: [...plan.events, ...events] });
  if (!due) return missedByFar(cronJob, clocked, nowMs) ? tell(missed(clocked, cronJob, nowMs)) : plan;
  const warning: CronJobEvent[] = due.missed > manyMissed ? [tooMany] : [];
  const name = `${storedMeta(cronJob).name}-${Math.floor(due.atMs / 60_000)}`;
  const active = plan.status.active ?? [];
  if (concurrencyPolicy === 'Forbid' && active.length > 0 && !active.some((job) => job.name === name)) {
    return tell(...warning, alreadyActive);
  }
  const uids = new Set(active.map(({ uid }) => uid));
  const replace =
    concurrencyPolicy === 'Replace'
      ? jobs.filter((job) => uids.has(storedMeta(job).uid) && storedMeta(job).name !== name)
      : [];
  return { ...tell(...warning), start: { name, scheduledMs: due.atMs }, replace };
}

const alreadyActive: CronJobEvent = {
  type: 'Normal',
  reason: 'JobAlreadyActive',
  message: 'Not starting job because prior execution is running and concurrency policy is Forbid',
};

const tooMany: CronJobEvent = {
  type: 'Warning',
  reason: 'TooManyMissedTimes',
  message: 'too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew',
};

function lastKnownMs({ metadata, status }: Readonly<CronJob>): number {
  return Date.parse(status?.lastScheduleTime ?? metadata?.creationTimestamp ?? '');
}

function earliestMs(cronJob: Readonly<CronJob>, nowMs: number): number {
  const deadlineSeconds = cronJob.spec?.startingDeadlineSeconds;
  const last = lastKnownMs(cronJob);
  return deadlineSeconds === undefined ? last : Math.max(last, nowMs - deadlineSeconds * 1000 - 1);
}

/** Whether a time went by that may not be made up for any more. */
function missedByFar(cronJob: Readonly<CronJob>, clocked: Clocked, nowMs: number): boolean {
  if (cronJob.spec?.startingDeadlineSeconds === undefined) return false;
  const first = nextTime(clocked, lastKnownMs(cronJob));
  return first !== undefined && first <= nowMs;
}

function missed(clocked: Clocked, cronJob: Readonly<CronJob>, nowMs: number): CronJobEvent {
  const due = latestTime(clocked, { afterMs: lastKnownMs(cronJob), nowMs });
  const time = new Date(due?.atMs ?? nowMs).toUTCString().replace('GMT', '+0000');
  return {
    type: 'Warning',
    reason: 'MissSchedule',
    message: `Missed scheduled time to start a job: ${time}`,
  };
}

function outdatedJobs({ spec }: Readonly<CronJob>, jobs: readonly Readonly<Job>[]): Readonly<Job>[] {
  const begun = ({ metadata, status }: Readonly<Job>) =>
    status?.startTime ?? metadata?.creationTimestamp ?? '';
  const beyond = (type: string, limit: number | undefined) => {
    const ended = jobs.filter(
      (job) => conditionHolds(job, type) && job.metadata?.deletionTimestamp === undefined,
    );
    if (limit === undefined) return [];
    return ended
      .toSorted((a, b) => (begun(a) < begun(b) ? -1 : 1))
      .slice(0, Math.max(0, ended.length - limit));
  };
  return [
    ...beyond('Complete', spec?.successfulJobsHistoryLimit),
    ...beyond('Failed', spec?.failedJobsHistoryLimit),
  ];
}

export function scheduledTimestamp({ spec }: Readonly<CronJob>, scheduledMs: number): string {
  return spec?.timeZone === undefined ? timestamp(scheduledMs) : zonedTimestamp(scheduledMs, spec.timeZone);
}

/** RFC 3339 with the zone's offset. */
function zonedTimestamp(atMs: number, timeZone: string): string {
  const parts = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' }).formatToParts(
    atMs,
  );
  const offset = parts.find(({ type }) => type === 'timeZoneName')?.value.replace('GMT', '') ?? '';
  const [, sign = '+', hours = '00', minutes = '00'] = /^([+-])(\d\d):(\d\d)$/.exec(offset) ?? [];
  const shiftMs = (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000;
  if (shiftMs === 0) return timestamp(atMs);
  return timestamp(atMs + shiftMs).replace('Z', `${sign}${hours}:${minutes}`);
}
