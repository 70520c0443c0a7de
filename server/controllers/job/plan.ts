import type { Job, JobStatus, Pod } from '../../../protocol/generated/models.ts';
import { timestamp } from '../../../protocol/kinds/stored-object.ts';
import { isPodActive, isPodReady } from '../pod-state.ts';
import { leastUseful } from '../replica-set/plan.ts';
import { failuresAfter, indexPauseMs, lastFailures, pauseMs } from './backoff.ts';
import {
  conditionHolds,
  finalCondition,
  isJobFinished,
  type Verdict,
  verdictOf,
  withCondition,
} from './conditions.ts';
import { completionsOf, doneIndexes, type Tally, tally } from './counting.ts';
import { parseIndexes } from './index-set.ts';
import {
  failuresBefore,
  hasFailed,
  type IndexFailures,
  indexOf,
  isDeleting,
  isIndexed,
  isOver,
  isPastLimitByRestarts,
  isTracked,
} from './job-pods.ts';
import { judgeFailure, matchSuccess } from './policies.ts';

/**
 * What to do for one Job, given the pods it controls and the time. Pure. Rules: never more pods at work than parallelism,
 * nor than completions are missing; each index is worked on by one pod; each pod that ended is counted once; a Job that
 * is suspended, has ended or is being deleted makes no pods; it is Complete or Failed only when nothing of it runs.
 */
export interface JobPlan {
  create: readonly NewPod[];
  /** Pods whose end shall not count: their finalizers go first. */
  discard: readonly Readonly<Pod>[];
  /** Pods that go because the Job has ended. */
  stop: readonly Readonly<Pod>[];
  /** To be written before `release`. */
  status: JobStatus;
  /** Pods whose end the status has counted. */
  release: readonly Readonly<Pod>[];
  events: readonly JobEvent[];
  /** When the plan changes by time alone. */
  wakeAfterMs: number | undefined;
}

export interface NewPod {
  /** Of an indexed Job. */
  index?: number;
  failures?: IndexFailures;
}

export interface JobEvent {
  type: 'Normal' | 'Warning';
  reason: string;
  message: string;
}

/** One round never makes or removes more than this (Kubernetes' MaxPodCreateDeletePerSync). */
const burstPods = 500;

export function planJob(job: Readonly<Job>, pods: readonly Readonly<Pod>[], nowMs: number): JobPlan {
  if (isJobFinished(job)) return { ...nothing, status: job.status ?? {}, release: pods.filter(isTracked) };
  const view = viewOf(job, pods, nowMs);
  const decided = verdictOf(job) ?? newVerdict(view);
  const work = decided || job.metadata?.deletionTimestamp !== undefined ? noWork : planWork(view);
  const verdict = decided ?? completion(view, work);
  const kept = new Set(verdict ? [] : view.replaced.values());
  const endsAs = verdict && (verdict.type === 'FailureTarget' ? 'failed' : 'succeeded');
  const counted = tally(job, pods, view.failedIndexes, { endsAs, kept });
  const ending = { job, nowMs, verdict, view, counted };
  const { status, events } = statusOf(ending, work);
  return {
    create: work.create,
    discard: work.discard,
    stop: decided ? view.active.slice(0, burstPods) : [],
    status,
    release: counted.release,
    events,
    wakeAfterMs: earliest([work.wakeAfterMs, verdict ? undefined : deadlineInMs(view)]),
  };
}

const nothing: Omit<JobPlan, 'status' | 'release'> = {
  create: [],
  discard: [],
  stop: [],
  events: [],
  wakeAfterMs: undefined,
};

/** What several decisions read. */
interface JobView {
  job: Readonly<Job>;
  pods: readonly Readonly<Pod>[];
  nowMs: number;
  active: readonly Readonly<Pod>[];
  terminating: number;
  startMs: number;
  isSuspended: boolean;
  counts: Tally;
  failedIndexes: ReadonlySet<number>;
  /** Of each index that failed and is not worked on: the pod that the next one replaces. */
  replaced: ReadonlyMap<number, Readonly<Pod>>;
}

function viewOf(job: Readonly<Job>, pods: readonly Readonly<Pod>[], nowMs: number): JobView {
  const active = pods.filter(isPodActive);
  const isSuspended = job.spec?.suspend === true;
  const isResumed = !isSuspended && conditionHolds(job, 'Suspended');
  const hasIndexLimit = job.spec?.backoffLimitPerIndex !== undefined;
  const done = isIndexed(job) ? doneIndexes(job, pods) : new Set<number>();
  const failedIndexes = hasIndexLimit ? failedIndexesOf(job, pods, done) : new Set<number>();
  const worked = new Set(active.map(indexOf));
  const isClosed = (index: number) =>
    done.has(index) || failedIndexes.has(index) || worked.has(index) || index >= completionsOf(job);
  return {
    job,
    pods,
    nowMs,
    active,
    terminating: pods.filter((pod) => isDeleting(pod) && !isOver(pod)).length,
    startMs: isResumed ? nowMs : Date.parse(job.status?.startTime ?? timestamp(nowMs)),
    isSuspended,
    counts: tally(job, pods, failedIndexes, { kept: new Set() }),
    failedIndexes,
    replaced: hasIndexLimit ? lastFailures(job, pods, isClosed) : new Map<number, Readonly<Pod>>(),
  };
}

function failedIndexesOf(
  job: Readonly<Job>,
  pods: readonly Readonly<Pod>[],
  done: ReadonlySet<number>,
): Set<number> {
  const limit = job.spec?.backoffLimitPerIndex ?? 0;
  const failed = parseIndexes(job.status?.failedIndexes, completionsOf(job));
  for (const pod of pods) {
    const index = indexOf(pod);
    if (index === undefined || index >= completionsOf(job) || done.has(index)) continue;
    if (!isTracked(pod) || !hasFailed(job, pod)) continue;
    const { action } = judgeFailure(job, pod);
    const isLast = action !== 'Ignore' && failuresBefore(pod).counted >= limit;
    if (action === 'FailIndex' || isLast) failed.add(index);
  }
  return failed;
}

/** Whether something has decided just now how the Job ends, before all its completions are reached. */
function newVerdict(view: JobView): Verdict | undefined {
  const { job, pods, counts, failedIndexes, nowMs, startMs, isSuspended } = view;
  const { spec } = job;
  const failure = (reason: string, message: string): Verdict => ({ type: 'FailureTarget', reason, message });
  if (spec?.podFailurePolicy) {
    const verdicts = pods.filter((pod) => hasFailed(job, pod)).map((pod) => judgeFailure(job, pod));
    const fatal = verdicts.find(({ action }) => action === 'FailJob');
    if (fatal) return failure('PodFailurePolicy', fatal.message ?? '');
  }
  if (counts.failed > (spec?.backoffLimit ?? 6) || isPastLimitByRestarts(job, pods)) {
    return failure('BackoffLimitExceeded', 'Job has reached the specified backoff limit');
  }
  const deadlineMs = (spec?.activeDeadlineSeconds ?? Number.POSITIVE_INFINITY) * 1000;
  if (!isSuspended && job.status?.startTime !== undefined && nowMs - startMs >= deadlineMs) {
    return failure('DeadlineExceeded', 'Job was active longer than specified deadline');
  }
  if (!isIndexed(job)) return undefined;
  if (failedIndexes.size > (spec?.maxFailedIndexes ?? Number.POSITIVE_INFINITY)) {
    return failure(
      'MaxFailedIndexesExceeded',
      'Job has exceeded the specified maximal number of failed indexes',
    );
  }
  if (failedIndexes.size > 0 && failedIndexes.size + counts.succeeded >= completionsOf(job)) {
    return failure('FailedIndexes', 'Job has failed indexes');
  }
  const message = matchSuccess(spec?.successPolicy, counts.succeededIndexes, completionsOf(job));
  return message === undefined ? undefined : { type: 'SuccessCriteriaMet', reason: 'SuccessPolicy', message };
}

/** All completions are there and nothing works any more. Without a number, one success is enough. */
function completion({ job, active, counts }: JobView, work: Work): Verdict | undefined {
  const enough = job.spec?.completions ?? 1;
  if (counts.succeeded < enough || active.length > 0 || work.create.length > 0) return undefined;
  const message = 'Reached expected number of succeeded pods';
  return { type: 'SuccessCriteriaMet', reason: 'CompletionsReached', message };
}

interface Work {
  create: readonly NewPod[];
  discard: readonly Readonly<Pod>[];
  wakeAfterMs?: number | undefined;
}

const noWork: Work = { create: [], discard: [] };

/** Pods to make or to take away so that as many work as shall; never both in one round (source: manageJob). */
function planWork(view: JobView): Work {
  const { job, active, counts, terminating, isSuspended } = view;
  if (isSuspended) return { create: [], discard: active.slice(0, burstPods) };
  const parallelism = job.spec?.parallelism ?? 1;
  const { completions } = job.spec ?? {};
  const missing = Math.max(0, (completions ?? 0) - counts.succeeded - view.failedIndexes.size);
  const endless = counts.succeeded > 0 ? active.length : parallelism;
  const wanted = completions === undefined ? endless : Math.min(missing, parallelism);
  const surplus = surplusPods(view, Math.max(0, active.length - wanted));
  if (surplus.length > 0) return { create: [], discard: surplus.slice(0, burstPods) };
  const waiting = job.spec?.podReplacementPolicy === 'Failed' ? terminating : 0;
  const room = Math.min(wanted - active.length - waiting, burstPods);
  if (room <= 0) return noWork;
  if (!isIndexed(job)) {
    const pause = pauseMs(job, view.pods, view.nowMs);
    return pause > 0
      ? { ...noWork, wakeAfterMs: pause }
      : { create: Array.from({ length: room }, () => ({})), discard: [] };
  }
  return planIndexes(view, room);
}

/** Pods whose index is no one's or another's go first, then the least useful of the others, `count` in all. */
function surplusPods({ job, active }: JobView, count: number): Readonly<Pod>[] {
  if (!isIndexed(job)) return count > 0 ? leastUseful(active).slice(0, count) : [];
  const own = new Set(
    active.map(indexOf).filter((index) => index !== undefined && index < completionsOf(job)),
  );
  if (count === 0 && own.size === active.length) return [];
  const seen = new Set<number>();
  const doubled: Readonly<Pod>[] = [];
  const rest: Readonly<Pod>[] = [];
  for (const pod of leastUseful(active).reverse()) {
    const index = indexOf(pod);
    const isOwn = index !== undefined && index < completionsOf(job) && !seen.has(index);
    if (index !== undefined) seen.add(index);
    (isOwn ? rest : doubled).push(pod);
  }
  return [...doubled, ...rest.reverse().slice(0, Math.max(0, count - doubled.length))];
}

/** The lowest indexes that are neither done, failed nor worked on, and may be tried (again) now. */
function planIndexes(view: JobView, room: number): Work {
  const { job, pods, nowMs, counts, failedIndexes, replaced } = view;
  const perIndex = job.spec?.backoffLimitPerIndex !== undefined;
  if (!perIndex) {
    const pause = pauseMs(job, pods, nowMs);
    if (pause > 0) return { ...noWork, wakeAfterMs: pause };
  }
  const onlyEnded = job.spec?.podReplacementPolicy === 'Failed';
  const taken = new Set(
    pods.filter((pod) => isPodActive(pod) || (onlyEnded && isDeleting(pod) && !isOver(pod))).map(indexOf),
  );
  const create: NewPod[] = [];
  let wakeAfterMs: number | undefined;
  for (let index = 0; index < completionsOf(job) && create.length < room; index += 1) {
    if (taken.has(index) || counts.succeededIndexes.has(index) || failedIndexes.has(index)) continue;
    const before = replaced.get(index);
    const pause = perIndex ? indexPauseMs(job, before, nowMs) : 0;
    if (pause > 0) wakeAfterMs = Math.min(wakeAfterMs ?? pause, pause);
    else create.push(perIndex ? { index, failures: failuresAfter(job, before) } : { index });
  }
  return { create, discard: [], wakeAfterMs };
}

interface Ending {
  job: Readonly<Job>;
  nowMs: number;
  verdict: Verdict | undefined;
  view: JobView;
  counted: Tally;
}

function statusOf(ending: Ending, work: Work): { status: JobStatus; events: JobEvent[] } {
  const { job, nowMs, verdict, view, counted } = ending;
  const events: JobEvent[] = [];
  const { startTime: before, completionTime } = job.status ?? {};
  let conditions = job.status?.conditions ?? [];
  let startTime = before ?? (view.isSuspended ? undefined : timestamp(nowMs));
  if (!verdict && job.metadata?.deletionTimestamp === undefined) {
    const resumes = !view.isSuspended && conditionHolds(job, 'Suspended');
    if (view.isSuspended && !conditionHolds(job, 'Suspended')) {
      events.push({ type: 'Normal', reason: 'Suspended', message: 'Job suspended' });
      conditions = withCondition(conditions, suspended('True', 'JobSuspended', 'Job suspended'), nowMs);
    } else if (resumes) {
      events.push({ type: 'Normal', reason: 'Resumed', message: 'Job resumed' });
      conditions = withCondition(conditions, suspended('False', 'JobResumed', 'Job resumed'), nowMs);
      startTime = timestamp(nowMs);
    }
  }
  if (verdict) conditions = withCondition(conditions, { ...verdict, status: 'True' }, nowMs);
  const isOver = verdict !== undefined && nothingLeft(ending);
  const final = isOver ? finalCondition(verdict) : undefined;
  if (final) conditions = withCondition(conditions, { ...final, status: 'True' }, nowMs);
  if (final?.type === 'Complete')
    events.push({ type: 'Normal', reason: 'Completed', message: 'Job completed' });
  if (final?.type === 'Failed')
    events.push({ type: 'Warning', reason: final.reason ?? '', message: final.message ?? '' });
  const completedAt = final?.type === 'Complete' ? timestamp(nowMs) : completionTime;
  const remaining = view.active.length - work.discard.length;
  const status: JobStatus = {
    ...(conditions.length > 0 ? { conditions } : {}),
    ...(startTime === undefined ? {} : { startTime }),
    ...(completedAt === undefined ? {} : { completionTime: completedAt }),
    active: Math.max(0, remaining),
    ready: view.active.filter(isPodReady).length,
    terminating: view.terminating,
    ...counted.written,
  };
  // As in Kubernetes, which leaves these out when they are nothing.
  for (const count of ['active', 'succeeded', 'failed'] as const)
    if (status[count] === 0) delete status[count];
  return { status, events };
}

/** Nothing runs, and every pod's end is part of the numbers. */
function nothingLeft({ view, counted }: Ending): boolean {
  const { succeeded = [], failed = [] } = counted.written.uncountedTerminatedPods ?? {};
  const waiting =
    view.active.length + view.terminating + succeeded.length + failed.length + counted.release.length;
  return waiting === 0;
}

function suspended(status: 'True' | 'False', reason: string, message: string) {
  return { type: 'Suspended', status, reason, message };
}

function deadlineInMs({ job, startMs, nowMs, isSuspended }: JobView): number | undefined {
  const seconds = job.spec?.activeDeadlineSeconds;
  return seconds === undefined || isSuspended ? undefined : Math.max(0, startMs + seconds * 1000 - nowMs);
}

function earliest(waits: readonly (number | undefined)[]): number | undefined {
  const known = waits.filter((wait) => wait !== undefined);
  return known.length > 0 ? Math.min(...known) : undefined;
}
