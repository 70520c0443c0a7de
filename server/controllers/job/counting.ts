import type { Job, JobStatus, Pod } from '../../../protocol/generated/models.ts';
import { formatIndexes, parseIndexes } from './index-set.ts';
import { hasFailed, hasSucceeded, indexOf, isIndexed, isTracked, uidOf } from './job-pods.ts';
import { judgeFailure } from './policies.ts';

/**
 * How a Job counts each pod that ended exactly once, through crashes at any moment. A pod bears a finalizer until it is
 * counted. First its uid is written into the status as uncounted (an index that succeeded: as completed), then its
 * finalizer goes, and only when that is seen does the uid become one more of the number.
 */
export interface Tally {
  /** With what is not yet part of the numbers in the status. */
  succeeded: number;
  failed: number;
  succeededIndexes: ReadonlySet<number>;
  failedIndexes: ReadonlySet<number>;
  /** To be written into the status before any finalizer goes. */
  written: Pick<
    JobStatus,
    'succeeded' | 'failed' | 'completedIndexes' | 'failedIndexes' | 'uncountedTerminatedPods'
  >;
  /** Whose finalizers may go then. */
  release: readonly Readonly<Pod>[];
}

/** So many uids at most stand in a status; the rest is counted in the next round (Kubernetes' MaxUncountedPods). */
const uncountedMax = 500;

export interface TallyOptions {
  /** The Job has failed: what is left of it counts as failed. */
  endsAs?: 'failed' | 'succeeded' | undefined;
  /** Pods that keep their finalizer for now, for they remember how often their index failed. */
  kept: ReadonlySet<Readonly<Pod>>;
}

export function completionsOf({ spec }: Readonly<Job>): number {
  return spec?.completions ?? Number.POSITIVE_INFINITY;
}

/** Indexes that are done, those of pods included that are not counted yet. */
export function doneIndexes(job: Readonly<Job>, pods: readonly Readonly<Pod>[]): Set<number> {
  const limit = completionsOf(job);
  const done = parseIndexes(job.status?.completedIndexes, limit);
  for (const pod of pods) {
    const index = indexOf(pod);
    if (index !== undefined && index < limit && hasSucceeded(pod) && isTracked(pod)) done.add(index);
  }
  return done;
}

export function tally(
  job: Readonly<Job>,
  pods: readonly Readonly<Pod>[],
  failedIndexes: ReadonlySet<number>,
  { endsAs, kept }: TallyOptions,
): Tally {
  const indexed = isIndexed(job);
  const settled = settle(job, pods);
  const uncounted = { succeeded: [...settled.succeeded], failed: [...settled.failed] };
  const known = new Set([...uncounted.succeeded, ...uncounted.failed]);
  const completed = parseIndexes(job.status?.completedIndexes, completionsOf(job));
  const release: Readonly<Pod>[] = [];
  let counted = known.size;
  for (const pod of pods) {
    if (counted >= uncountedMax || !isTracked(pod) || kept.has(pod)) continue;
    const failed = hasFailed(job, pod) || (endsAs === 'failed' && !hasSucceeded(pod));
    const isEnding = endsAs !== undefined || job.metadata?.deletionTimestamp !== undefined;
    if (!hasSucceeded(pod) && !failed && !isEnding) continue;
    release.push(pod);
    if (known.has(uidOf(pod))) continue;
    if (hasSucceeded(pod)) {
      const index = indexOf(pod);
      if (!indexed) uncounted.succeeded.push(uidOf(pod));
      else if (index !== undefined && index < completionsOf(job)) completed.add(index);
      counted += 1;
    } else if (failed && countsAsFailure(job, pod)) {
      uncounted.failed.push(uidOf(pod));
      counted += 1;
    }
  }
  const succeededIndexes = indexed ? doneIndexes(job, pods) : completed;
  const succeeded = settled.succeededCount + uncounted.succeeded.length;
  return {
    succeeded: indexed ? succeededIndexes.size : succeeded,
    failed: settled.failedCount + uncounted.failed.length,
    succeededIndexes,
    failedIndexes,
    written: {
      succeeded: indexed ? completed.size : settled.succeededCount,
      failed: settled.failedCount,
      uncountedTerminatedPods: {
        ...(uncounted.succeeded.length > 0 ? { succeeded: uncounted.succeeded } : {}),
        ...(uncounted.failed.length > 0 ? { failed: uncounted.failed } : {}),
      },
      ...(indexed && completed.size > 0 ? { completedIndexes: formatIndexes(completed) } : {}),
      ...(job.spec?.backoffLimitPerIndex === undefined
        ? {}
        : { failedIndexes: formatIndexes(failedIndexes) }),
    },
    release,
  };
}

/** A pod of an index that the Job does not have (any more) is nobody's failure. */
function countsAsFailure(job: Readonly<Job>, pod: Readonly<Pod>): boolean {
  if (isIndexed(job) && (indexOf(pod) ?? Number.POSITIVE_INFINITY) >= completionsOf(job)) return false;
  return judgeFailure(job, pod).action !== 'Ignore';
}

interface Settled {
  succeededCount: number;
  failedCount: number;
  /** Uids whose pods bear their finalizer still. */
  succeeded: readonly string[];
  failed: readonly string[];
}

/** Uids whose pods have lost their finalizer, or are gone, become part of the numbers. */
function settle({ status }: Readonly<Job>, pods: readonly Readonly<Pod>[]): Settled {
  const { succeeded = [], failed = [] } = status?.uncountedTerminatedPods ?? {};
  const tracked = new Set(pods.filter(isTracked).map(uidOf));
  const waiting = (uids: readonly string[]) => uids.filter((uid) => tracked.has(uid));
  const still = { succeeded: waiting(succeeded), failed: waiting(failed) };
  return {
    ...still,
    succeededCount: (status?.succeeded ?? 0) + succeeded.length - still.succeeded.length,
    failedCount: (status?.failed ?? 0) + failed.length - still.failed.length,
  };
}
