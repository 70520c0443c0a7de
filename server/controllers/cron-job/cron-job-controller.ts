import type { CronJob, CronJobStatus, Job } from '../../../protocol/generated/models.ts';
import { sameValue } from '../../../protocol/kinds/cause.ts';
import { cronJobKind } from '../../../protocol/kinds/cron-job.ts';
import { jobKind } from '../../../protocol/kinds/job.ts';
import {
  controllerOf,
  controllerReference,
  splitKey,
  storedMeta,
  timestamp,
} from '../../../protocol/kinds/stored-object.ts';
import { isStatus } from '../../../protocol/status.ts';
import { type ControllerContext, defineController } from '../define-controller.ts';
import { ignoreGone, isNamespaceEnding, messageOf } from '../expected-failures.ts';
import { followControlled } from '../follow-controlled.ts';
import { byControllerUid } from '../indexes.ts';
import { isJobFinished } from '../job/conditions.ts';
import { nameOf } from '../object-name.ts';
import { WriteFence } from '../write-fence.ts';
import { type CronJobEvent, planCronJob, scheduledTimestamp } from './plan.ts';

/** Timers do not reach further; the plan is made anew then. */
const wakeMsMax = 24 * 3_600_000;

export const cronJobController = defineController({
  name: 'cronjob',
  workers: 5,
  setup(context, enqueue) {
    const { cache, clock } = context;
    const cronJobs = cache.informer(cronJobKind);
    const jobs = cache.informer(jobKind);
    const cronJobFence = new WriteFence(cronJobs);
    const jobFence = new WriteFence(jobs);
    // Jobs of others are never adopted: a CronJob has no selector.
    followControlled(context, { owners: cronJobs, controlled: jobs, selectorOf: () => undefined, enqueue });

    return async (key) => {
      const { namespace = '', name } = splitKey(key);
      const cronJob = cronJobs.get(namespace, name);
      if (!cronJob) return [cronJobFence, jobFence].forEach((fence) => fence.forget(key));
      if (!cronJobFence.isOpen(key) || !jobFence.isOpen(key)) return WriteFence.retry;
      const owned = jobs.byIndex(byControllerUid.name, storedMeta(cronJob).uid);
      const plan = planCronJob(cronJob, owned, clock.now());
      const work: Work = { context, cronJob, jobFence, key };
      for (const event of plan.events) tell(work, event);
      for (const job of [...plan.outdated, ...plan.replace]) await removeJob(work, job);
      let { status } = plan;
      if (plan.start) {
        const job = await startJob(work, plan.start);
        if (job) status = withStarted(status, job, plan.start.scheduledMs);
      }
      const written = await writeStatus(context, cronJob, status);
      if (written) cronJobFence.wrote(key, written);
      return plan.wakeAfterMs === undefined
        ? undefined
        : { requeueAfterMs: Math.min(plan.wakeAfterMs, wakeMsMax) };
    };
  },
});

interface Work {
  context: ControllerContext;
  cronJob: Readonly<CronJob>;
  jobFence: WriteFence<Job>;
  key: string;
}

function tell({ context, cronJob }: Work, event: CronJobEvent): void {
  context.events.record(cronJobKind, cronJob, event);
}

async function removeJob(work: Work, job: Readonly<Job>): Promise<void> {
  const { name, uid } = storedMeta(job);
  const options = { propagationPolicy: 'Background', preconditions: { uid } } as const;
  const deleted = await work.context.registry.delete(jobKind, nameOf(job), options).catch(ignoreGone);
  work.jobFence.deleted(work.key, uid);
  if (deleted) tell(work, { type: 'Normal', reason: 'SuccessfulDelete', message: `Deleted job ${name}` });
}

/** The Job of a scheduled time, also when an earlier round made it and got no further; undefined when there is none. */
async function startJob(work: Work, start: { name: string; scheduledMs: number }): Promise<Job | undefined> {
  const { context, cronJob, jobFence, key } = work;
  try {
    const job = await context.registry.create(jobKind, buildJob(cronJob, start));
    jobFence.wrote(key, job);
    tell(work, { type: 'Normal', reason: 'SuccessfulCreate', message: `Created job ${start.name}` });
    return job;
  } catch (error) {
    if (isNamespaceEnding(error)) return undefined;
    if (!isStatus(error, 'AlreadyExists')) {
      tell(work, {
        type: 'Warning',
        reason: 'FailedCreate',
        message: `Error creating job: ${messageOf(error)}`,
      });
      throw error;
    }
    const { namespace = '' } = storedMeta(cronJob);
    const found = await context.registry.get(jobKind, { namespace, name: start.name });
    return controllerOf(found)?.uid === storedMeta(cronJob).uid ? found : undefined;
  }
}

function buildJob(
  cronJob: Readonly<CronJob>,
  { name, scheduledMs }: { name: string; scheduledMs: number },
): Job {
  const { namespace = '' } = storedMeta(cronJob);
  const { metadata, spec } = structuredClone(cronJob.spec?.jobTemplate) ?? {};
  return {
    metadata: {
      namespace,
      name,
      ...(metadata?.labels ? { labels: metadata.labels } : {}),
      annotations: {
        ...metadata?.annotations,
        'batch.kubernetes.io/cronjob-scheduled-timestamp': scheduledTimestamp(cronJob, scheduledMs),
      },
      ownerReferences: [controllerReference(cronJobKind, cronJob)],
    },
    ...(spec ? { spec } : {}),
  };
}

function withStarted(status: CronJobStatus, job: Readonly<Job>, scheduledMs: number): CronJobStatus {
  const { name, namespace = '', uid, resourceVersion } = storedMeta(job);
  const started: CronJobStatus = { ...status, lastScheduleTime: timestamp(scheduledMs) };
  if (isJobFinished(job)) return started;
  const others = (status.active ?? []).filter((reference) => reference.uid !== uid);
  const reference = { apiVersion: 'batch/v1', kind: 'Job', name, namespace, uid, resourceVersion };
  return { ...started, active: [...others, reference] };
}

async function writeStatus(
  { registry }: ControllerContext,
  cronJob: Readonly<CronJob>,
  status: CronJobStatus,
): Promise<CronJob | undefined> {
  if (sameValue(cronJob.status, status)) return undefined;
  const { uid } = storedMeta(cronJob);
  const change = (draft: CronJob) => {
    if (draft.metadata?.uid === uid) draft.status = status;
  };
  return registry.mutate(cronJobKind, nameOf(cronJob), change, { subresource: 'status' }).catch(ignoreGone);
}
