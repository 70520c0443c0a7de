import type { Pod } from '../../protocol/generated/models.ts';
import type { ContainerHandle } from '../drivers/driver.ts';
import { stopsInOrder } from './plan-ending.ts';
import { earliest, emptyPlan, type Plan, type PlanInput } from './plan-parts.ts';
import { graceSecondsOf } from './plan-sandbox.ts';
import type { PodState } from './pod-state.ts';
import { isVolumesTarget, type Step, type StopContainer, sandboxTarget, targetOf } from './steps.ts';

/**
 * Stop every container, sidecars last; then remove them; then the sandbox; then the pod is removed for good. Failed
 * steps are tried again for ever. A grace period that became shorter hurries the stops under way.
 */
export function planTeardown({ pod, state, now }: Omit<PlanInput, 'context'>): Plan {
  const result = emptyPlan();
  for (const [target, { type }] of Object.entries(state.underWay))
    if (/^(?:image|hook)\//.test(target) || type === 'prepareVolumes') result.abandon.push(target);
  const graceMs = (pod ? graceSecondsOf(pod) : state.record.graceSeconds) * 1000;
  const steps =
    stopsInOrder({ pod, state, now }, graceMs) ??
    removals(state, pod) ??
    sandboxRemovals(state) ??
    volumeRemovals(state);
  if (!steps) return { ...result, removed: Object.keys(state.underWay).length === 0 };
  for (const step of steps) {
    const target = targetOf(step);
    const failure = state.failures[target];
    const waits = failure !== undefined && failure.retryAtMs > now.monotonicMs;
    if (waits) {
      const wakeAtMs = earliest(result.wakeAtMs, failure.retryAtMs);
      if (wakeAtMs !== undefined) result.wakeAtMs = wakeAtMs;
    } else if (!state.underWay[target] || hurries(step, state.underWay[target])) result.steps.push(step);
  }
  return result;
}

/** Ephemeral containers first: what others of the pod look into cannot be removed before them. */
function removals(state: PodState, pod: Pod | undefined): Step[] | undefined {
  const { containers, garbage } = state.record;
  const ephemeral = (pod?.spec?.ephemeralContainers ?? []).flatMap(({ name }) => containers[name] ?? []);
  if (ephemeral.length > 0) return ephemeral.map(({ handle }) => ({ type: 'removeContainer', handle }));
  const handles: ContainerHandle[] = [
    ...Object.values(containers).flatMap(({ handle, previous }) =>
      previous ? [handle, previous.handle] : [handle],
    ),
    ...garbage,
  ];
  if (handles.length === 0) return undefined;
  return handles.map((handle) => ({ type: 'removeContainer', handle }));
}

function sandboxRemovals(state: PodState): Step[] | undefined {
  const { sandbox, garbageSandboxes } = state.record;
  // One that is still being made has no handle yet; its end plans again.
  if (state.underWay[sandboxTarget]) return [];
  const handles = [...(sandbox ? [sandbox] : []), ...garbageSandboxes];
  if (handles.length === 0) return undefined;
  return handles.map((handle) => ({ type: 'removeSandbox', handle }));
}

/** Last, when nothing can use them any more. */
function volumeRemovals({ record, underWay }: PodState): Step[] | undefined {
  if (!record.volumes) return undefined;
  if (Object.keys(underWay).some(isVolumesTarget)) return [];
  return [{ type: 'removeVolumes', podUid: record.uid }];
}

/** By the pod's grace period: what is left of it for one container shrinks by itself. */
function hurries(step: Step, underWay: Step): boolean {
  if (step.type !== 'stopContainer' || underWay.type !== 'stopContainer') return false;
  return totalGraceMs(step) < totalGraceMs(underWay);
}

function totalGraceMs({ ending, graceMs }: StopContainer): number {
  return ending?.graceMs ?? graceMs;
}
