import { earliest, emptyPlan, type Plan, type PlanInput } from './plan-parts.ts';
import type { PodRecord } from './pod-record.ts';
import type { PodState } from './pod-state.ts';
import { containerTarget, isVolumesTarget, type Step, sandboxTarget, targetOf } from './steps.ts';

/** status.reason of a pod that had to go because the node ran short of something. */
export const evictedReason = 'Evicted';

export function isEvicted({ failed }: PodRecord): boolean {
  return failed?.reason === evictedReason;
}

/**
 * What runs of an evicted pod is killed, without grace: the node is short of something now. Then its room is given
 * back, logs and volumes too; what is known of it stays until it is deleted.
 */
export function planEviction({ state, now }: PlanInput): Plan {
  const result = emptyPlan();
  result.abandon.push(...Object.keys(state.underWay).filter((target) => target.startsWith('image/')));
  for (const step of kills(state) ?? clearing(state)) {
    const target = targetOf(step);
    if (state.underWay[target]) continue;
    const retryAtMs = state.failures[target]?.retryAtMs ?? 0;
    if (retryAtMs <= now.monotonicMs) result.steps.push(step);
    else result.wakeAtMs = earliest(result.wakeAtMs, retryAtMs) ?? retryAtMs;
  }
  return result;
}

/** Undefined when nothing runs or is being started any more. */
function kills(state: PodState): Step[] | undefined {
  const alive = Object.values(state.record.containers).filter(({ exit }) => !exit);
  const starting = Object.values(state.underWay).some(({ type }) => type === 'runContainer');
  if (alive.length === 0 && !starting) return undefined;
  return alive
    .filter(({ handle }) => !state.underWay[containerTarget(handle.container)])
    .map(({ handle }) => ({ type: 'stopContainer', handle, graceMs: 0 }));
}

function clearing({ record, underWay }: PodState): Step[] {
  if (underWay[sandboxTarget]) return [];
  const sandboxes = [...(record.sandbox ? [record.sandbox] : []), ...record.garbageSandboxes];
  if (sandboxes.length > 0) return sandboxes.map((handle) => ({ type: 'removeSandbox', handle }));
  if (!record.volumes || Object.keys(underWay).some(isVolumesTarget)) return [];
  return [{ type: 'removeVolumes', podUid: record.uid }];
}
