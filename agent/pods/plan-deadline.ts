import type { Pod } from '../../protocol/generated/models.ts';
import type { Reason } from './plan-parts.ts';
import type { Now, PodState } from './pod-state.ts';

/**
 * activeDeadlineSeconds, counted by the monotonic clock in every life of the agent and carried over in the record:
 * a device without a clock must neither kill a pod at once nor let it run for ever. Time without power or agent does
 * not count; nor does what passed since the last note, which is at most a minute or a twentieth of the deadline.
 */
const noteEveryMsMax = 60_000;

export function activeMs({ activeBeforeMs, sinceMs }: PodState, { monotonicMs }: Now): number {
  return activeBeforeMs + Math.max(0, monotonicMs - sinceMs);
}

/** How much of its time the pod has had, as it is worth writing down; undefined when nobody asks. */
export function notedActiveMs(pod: Pod | undefined, state: PodState, now: Now): number | undefined {
  const seconds = pod?.spec?.activeDeadlineSeconds;
  if (seconds === undefined) return undefined;
  const everyMs = noteEveryMs(seconds);
  return Math.max(state.record.activeMs ?? 0, Math.floor(activeMs(state, now) / everyMs) * everyMs);
}

/** Why the pod must end now, or when to look again. */
export function checkDeadline(
  { spec }: Pod,
  state: PodState,
  now: Now,
): { failed?: Required<Reason>; wakeAtMs?: number } {
  const seconds = spec?.activeDeadlineSeconds;
  if (seconds === undefined) return {};
  const leftMs = seconds * 1000 - activeMs(state, now);
  if (leftMs > 0) return { wakeAtMs: now.monotonicMs + Math.min(leftMs, noteEveryMs(seconds)) };
  return {
    failed: {
      reason: 'DeadlineExceeded',
      message: 'Pod was active on the node longer than the specified deadline',
    },
  };
}

function noteEveryMs(seconds: number): number {
  return Math.min(noteEveryMsMax, Math.max(1_000, seconds * 50));
}
