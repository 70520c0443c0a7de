import type { Pod } from '../../../protocol/generated/models.ts';
import { storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { updateLockCondition } from '../../../protocol/update-lock.ts';
import { readySinceMs } from '../pod-state.ts';

export type UnitState = 'pending' | 'waiting' | 'updating' | 'healthy' | 'failed';

/** What is true until a moment: milliseconds since 1970, Infinity when time alone changes nothing. */
export interface Timed<T> {
  is: T;
  untilMs: number;
}

export interface HealthRules {
  /** For how long a pod must be ready. */
  healthyMs: number;
  /** For how long it may be not ready, or its device silent. */
  deadlineMs: number;
  nowMs: number;
}

/** Reasons of a container that will not get better by waiting. */
const hopeless: ReadonlySet<string> = new Set(['CrashLoopBackOff', 'InvalidImageName', 'ErrImageNeverPull']);

/**
 * How a device does that was given the newest pod. `silentSinceMs`: since when nothing is heard of it. A device that
 * had not taken the pod when it fell silent is pending; one whose pod had proven itself by then is presumed to run it.
 */
export function updatedState(
  pod: Readonly<Pod>,
  silentSinceMs: number | undefined,
  rules: HealthRules,
): Timed<UnitState> {
  const { nowMs } = rules;
  const heardMs = silentSinceMs ?? nowMs;
  const bornMs = Date.parse(storedMeta(pod).creationTimestamp);
  if (silentSinceMs !== undefined && pod.status?.startTime === undefined) return stable('pending');
  const ready = readySinceMs(pod);
  if (ready !== undefined) {
    const healthyAtMs = plausible(ready, bornMs, nowMs) + rules.healthyMs;
    if (healthyAtMs <= heardMs) return stable('healthy');
    if (silentSinceMs === undefined) return { is: 'updating', untilMs: healthyAtMs };
  }
  const failing = pod.status?.phase === 'Failed' || isHopeless(pod);
  const sinceMs = silentSinceMs ?? plausible(unreadySinceMs(pod), bornMs, nowMs);
  const failsAtMs = failing ? nowMs : sinceMs + rules.deadlineMs;
  return failsAtMs <= nowMs ? stable('failed') : { is: 'updating', untilMs: failsAtMs };
}

function stable(is: UnitState): Timed<UnitState> {
  return { is, untilMs: Number.POSITIVE_INFINITY };
}

function isHopeless({ status }: Readonly<Pod>): boolean {
  const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  return all.some(({ state }) => hopeless.has(state?.waiting?.reason ?? ''));
}

function unreadySinceMs(pod: Readonly<Pod>): number {
  const ready = pod.status?.conditions?.find(({ type }) => type === 'Ready');
  return Date.parse(ready?.lastTransitionTime ?? '');
}

/** Times that a device tells are by its own clock, which may be anywhere: what cannot be is not believed. */
function plausible(toldMs: number, bornMs: number, nowMs: number): number {
  return toldMs >= bornMs && toldMs <= nowMs ? toldMs : Math.min(bornMs, nowMs);
}

/**
 * Whether the pod's app holds its update lock, and until when at most. A lock that is older than the rollout, by a
 * clock that may be wrong, counts from the beginning of the rollout.
 */
export function lockState(
  pod: Readonly<Pod>,
  { maxAgeMs, startedMs, nowMs }: { maxAgeMs: number; startedMs: number; nowMs: number },
): Timed<boolean> {
  const lock = pod.status?.conditions?.find(({ type }) => type === updateLockCondition);
  if (lock?.status !== 'True') return { is: false, untilMs: Number.POSITIVE_INFINITY };
  const sinceMs = plausible(Date.parse(lock.lastTransitionTime ?? ''), startedMs, nowMs);
  const untilMs = sinceMs + maxAgeMs;
  return untilMs > nowMs ? { is: true, untilMs } : { is: false, untilMs: Number.POSITIVE_INFINITY };
}
