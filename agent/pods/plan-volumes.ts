import type { Pod } from '../../protocol/generated/models.ts';
import type { PartPlan, PlanInput } from './plan-parts.ts';
import { isVolumesTarget, volumesTarget } from './steps.ts';

/**
 * Volumes come before everything else of a pod. Once made they stay ready: what their sources become later is taken
 * over beside the running containers, and a source that is gone later stops nothing. After a failure they are tried
 * again when the time comes or the inputs change.
 */
export function planVolumes({
  pod,
  state,
  now,
  context,
}: PlanInput & { pod: Pod }): PartPlan & { ready: boolean } {
  const inputs = context.volumeInputs(pod);
  if (inputs === '' || inputs === state.volumes) return { ready: true, steps: [] };
  const ready = state.volumes !== undefined;
  if (Object.keys(state.underWay).some(isVolumesTarget)) return { ready, steps: [] };
  const failure = state.failures[volumesTarget(inputs)];
  if (failure && failure.retryAtMs > now.monotonicMs)
    return { ready, steps: [], wakeAtMs: failure.retryAtMs };
  return { ready, steps: [{ type: 'prepareVolumes', pod, inputs }] };
}
