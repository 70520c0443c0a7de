import type { Job, Pod } from '../../../protocol/generated/models.ts';
import { storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { isPodFinished, restartCount } from '../pod-state.ts';

/** Facts about the pods of a Job. Pure; words and rules are Kubernetes' (pkg/controller/job). */

/** A pod bears it until the Job's status has counted how it ended. */
export const trackingFinalizer = 'batch.kubernetes.io/job-tracking';
export const indexKey = 'batch.kubernetes.io/job-completion-index';
const failureCountKey = 'batch.kubernetes.io/job-index-failure-count';
const ignoredCountKey = 'batch.kubernetes.io/job-index-ignored-failure-count';

export function isIndexed({ spec }: Readonly<Job>): boolean {
  return spec?.completionMode === 'Indexed';
}

export function isTracked({ metadata }: Readonly<Pod>): boolean {
  return metadata?.finalizers?.includes(trackingFinalizer) ?? false;
}

export function isDeleting({ metadata }: Readonly<Pod>): boolean {
  return metadata?.deletionTimestamp !== undefined;
}

/** Nothing of it runs any more: it ended, or its device has removed it and only a finalizer keeps the object. */
export function isOver(pod: Readonly<Pod>): boolean {
  return isPodFinished(pod) || (isDeleting(pod) && pod.metadata?.deletionGracePeriodSeconds === 0);
}

export function hasSucceeded({ status }: Readonly<Pod>): boolean {
  return status?.phase === 'Succeeded';
}

/** A pod on its way out counts as failed at once, unless the Job replaces only what has ended. */
export function hasFailed({ spec }: Readonly<Job>, pod: Readonly<Pod>): boolean {
  if (hasSucceeded(pod)) return false;
  return isOver(pod) || (isDeleting(pod) && spec?.podReplacementPolicy !== 'Failed');
}

/** The completion index a pod works on; undefined when it has none that is valid. */
export function indexOf({ metadata }: Readonly<Pod>): number | undefined {
  const text = metadata?.annotations?.[indexKey] ?? '';
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

export interface IndexFailures {
  /** Failures that count towards backoffLimitPerIndex. */
  counted: number;
  /** Those that the pod failure policy ignores. */
  ignored: number;
}

/** How often the pod's index had failed before the pod was made. */
export function failuresBefore({ metadata }: Readonly<Pod>): IndexFailures {
  const read = (key: string) => {
    const value = Number(metadata?.annotations?.[key] ?? 0);
    return Number.isSafeInteger(value) && value >= 0 ? value : 0;
  };
  return { counted: read(failureCountKey), ignored: read(ignoredCountKey) };
}

export function failureAnnotations({ counted, ignored }: IndexFailures): Record<string, string> {
  return {
    [failureCountKey]: String(counted),
    ...(ignored > 0 ? { [ignoredCountKey]: String(ignored) } : {}),
  };
}

/** When the pod ended, milliseconds since 1970, as well as can be told. */
export function endedAtMs({ metadata, status }: Readonly<Pod>): number {
  const ends = (status?.containerStatuses ?? []).map(({ state }) =>
    Date.parse(state?.terminated?.finishedAt ?? ''),
  );
  const latest = Math.max(...ends.filter((end) => !Number.isNaN(end)));
  if (Number.isFinite(latest)) return latest;
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')?.lastTransitionTime;
  return Date.parse(ready ?? metadata?.deletionTimestamp ?? metadata?.creationTimestamp ?? '') || 0;
}

/** Restarts in place are failures of their own, where pods restart on failure. */
export function isPastLimitByRestarts({ spec }: Readonly<Job>, pods: readonly Readonly<Pod>[]): boolean {
  if (spec?.template.spec?.restartPolicy !== 'OnFailure') return false;
  const limit = spec.backoffLimit ?? 6;
  const live = pods.filter(({ status }) => status?.phase === 'Running' || status?.phase === 'Pending');
  const initRestarts = (pod: Readonly<Pod>) =>
    (pod.status?.initContainerStatuses ?? []).reduce((sum, status) => sum + status.restartCount, 0);
  const restarts = live.reduce((sum, pod) => sum + restartCount(pod) + initRestarts(pod), 0);
  return limit === 0 ? restarts > 0 : restarts >= limit;
}

export function uidOf(pod: Readonly<Pod>): string {
  return storedMeta(pod).uid;
}
