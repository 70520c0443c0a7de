import type { Pod } from '../../protocol/generated/models.ts';
import { emptyPlan, type Plan, type PlanInput } from './plan-parts.ts';
import { graceSecondsOf } from './plan-sandbox.ts';

/**
 * A pod that is deleted to make room for a newer one goes on until the images of that one are here, so that the device is
 * without it for seconds, not for a download. Not when it is to go at once, when nothing of it runs, or when it has
 * begun to stop.
 */
export function planStaging({ pod, state, now, context }: PlanInput): Plan | undefined {
  if (!pod || isHurried(pod) || state.endingSinceMs !== undefined) return undefined;
  const alive = Object.values(state.record.containers).some(({ exit }) => !exit);
  const untilMs = alive ? context.awaitsImagesUntilMs?.(pod) : undefined;
  if (untilMs === undefined || untilMs <= now.monotonicMs) return undefined;
  return { ...emptyPlan(), wakeAtMs: untilMs };
}

function isHurried(pod: Pod): boolean {
  return graceSecondsOf(pod) === 0;
}
