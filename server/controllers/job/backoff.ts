import { backoffMs } from '../../../lib/backoff.ts';
import type { Job, Pod } from '../../../protocol/generated/models.ts';
import {
  endedAtMs,
  failuresBefore,
  hasFailed,
  hasSucceeded,
  type IndexFailures,
  indexOf,
  isDeleting,
  isTracked,
} from './job-pods.ts';
import { judgeFailure } from './policies.ts';

/** How long a Job waits before it replaces a pod that failed; each further failure doubles it. Pure. */
const failurePause = { baseMs: 10_000, capMs: 10 * 60_000 };

/** Failures since the last success decide; 0 when a pod may be made now. */
export function pauseMs(job: Readonly<Job>, pods: readonly Readonly<Pod>[], nowMs: number): number {
  const lastSuccess = Math.max(...pods.filter(hasSucceeded).map(endedAtMs), 0);
  // What the Job itself took away (it was suspended, or asked for fewer) lost its finalizer before.
  const failures = pods
    .filter((pod) => hasFailed(job, pod) && !(isDeleting(pod) && !isTracked(pod)))
    .map((pod) => Math.min(endedAtMs(pod), nowMs))
    .filter((end) => end >= lastSuccess);
  if (failures.length === 0) return 0;
  return Math.max(0, Math.max(...failures) + backoffMs(failures.length, failurePause) - nowMs);
}

/** The failed pod of each index that its next pod replaces: it keeps its finalizer until that is there. */
export function lastFailures(
  job: Readonly<Job>,
  pods: readonly Readonly<Pod>[],
  isClosed: (index: number) => boolean,
): ReadonlyMap<number, Readonly<Pod>> {
  const last = new Map<number, Readonly<Pod>>();
  const total = (pod: Readonly<Pod>) => failuresBefore(pod).counted + failuresBefore(pod).ignored;
  for (const pod of pods) {
    const index = indexOf(pod);
    if (index === undefined || isClosed(index) || !isTracked(pod) || !hasFailed(job, pod)) continue;
    const other = last.get(index);
    if (!other || total(other) <= total(pod)) last.set(index, pod);
  }
  return last;
}

/** What the pod that replaces this one has to remember. */
export function failuresAfter(job: Readonly<Job>, replaced: Readonly<Pod> | undefined): IndexFailures {
  if (!replaced) return { counted: 0, ignored: 0 };
  const before = failuresBefore(replaced);
  return judgeFailure(job, replaced).action === 'Ignore'
    ? { ...before, ignored: before.ignored + 1 }
    : { ...before, counted: before.counted + 1 };
}

export function indexPauseMs(job: Readonly<Job>, replaced: Readonly<Pod> | undefined, nowMs: number): number {
  if (!replaced) return 0;
  const { counted, ignored } = failuresAfter(job, replaced);
  return Math.max(
    0,
    Math.min(endedAtMs(replaced), nowMs) + backoffMs(counted + ignored, failurePause) - nowMs,
  );
}
