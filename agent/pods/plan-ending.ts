import type { Container, Pod } from '../../protocol/generated/models.ts';
import { actionOf } from '../probes/action.ts';
import { containersOf, isSidecar, viewContainer } from './container-view.ts';
import type { PartPlan, PlanInput } from './plan-parts.ts';
import { graceSecondsOf } from './plan-sandbox.ts';
import type { ContainerRecord } from './pod-record.ts';
import type { PodState } from './pod-state.ts';
import { containerTarget, type Hook, type Step, type StopContainer, sandboxTarget } from './steps.ts';

/** What is left to whoever had to wait for others, so that it can say good-bye; as kubelet has it. */
export const leastGraceMs = 2_000;

/**
 * A pod in which nothing will start again: what still runs of it is stopped in its order, then its sandbox, which
 * gives back the address and the ports. What is left shows its logs until the pod is deleted.
 */
export function planEnding(input: PlanInput & { pod: Pod }): PartPlan {
  const { state, pod, now } = input;
  const steps = stopsInOrder(input, graceSecondsOf(pod) * 1000);
  if (steps)
    return { steps: steps.filter(({ handle }) => !state.underWay[containerTarget(handle.container)]) };
  const { sandbox, sandboxStopped } = state.record;
  if (!sandbox || sandboxStopped || state.underWay[sandboxTarget]) return { steps: [] };
  const retryAtMs = state.failures[sandboxTarget]?.retryAtMs ?? 0;
  if (retryAtMs > now.monotonicMs) return { steps: [], wakeAtMs: retryAtMs };
  return { steps: [{ type: 'stopSandbox', handle: sandbox }] };
}

type StopStep = Extract<Step, { type: 'stopContainer' }>;

/**
 * The stops that are due: app containers together, then the sidecars, the last one first, each when what came after
 * it has ended. Undefined when nothing runs or is being started any more.
 */
export function stopsInOrder(
  { pod, state, now }: Omit<PlanInput, 'context'>,
  totalGraceMs: number,
): StopStep[] | undefined {
  const busy = (name: string) =>
    ['runContainer', 'stopContainer'].includes(state.underWay[containerTarget(name)]?.type ?? '');
  const alive = ({ exit, handle }: ContainerRecord) =>
    !exit && state.observed[handle.container]?.state !== 'created';
  const containers = state.record.containers;
  const starting = Object.values(state.underWay).flatMap((step) =>
    step.type === 'runContainer' ? [step.spec.container] : [],
  );
  const left = new Set([
    ...Object.keys(containers).filter((name) => containers[name] && (alive(containers[name]) || busy(name))),
    ...starting,
  ]);
  if (left.size === 0) return undefined;
  const sidecars = containersOf(pod?.spec)
    .init.filter(isSidecar)
    .map(({ name }) => name);
  const others = [...left].filter((name) => !sidecars.includes(name));
  const lastSidecar = sidecars.findLast((name) => left.has(name));
  const turn = others.length > 0 || lastSidecar === undefined ? others : [lastSidecar];
  const waitedMs =
    others.length > 0 || state.endingSinceMs === undefined ? 0 : now.monotonicMs - state.endingSinceMs;
  const graceMs =
    totalGraceMs === 0 ? 0 : Math.max(totalGraceMs - waitedMs, Math.min(leastGraceMs, totalGraceMs));
  return turn.flatMap((name): StopStep[] => {
    const record = containers[name];
    if (!record || !alive(record) || state.underWay[containerTarget(name)]?.type === 'runContainer')
      return [];
    return [
      { type: 'stopContainer', ending: { graceMs: totalGraceMs }, ...stopOf(pod, state, record, graceMs) },
    ];
  });
}

/** How a container is stopped, its preStop hook included. */
export function stopOf(
  pod: Pod | undefined,
  state: PodState,
  { handle }: ContainerRecord,
  graceMs: number,
): Pick<StopContainer, 'handle' | 'graceMs' | 'preStop' | 'container'> {
  const container = findContainer(pod, handle.container);
  const preStop =
    pod && container && graceMs > 0 && viewContainer(state, handle.container).is === 'running'
      ? hookOf('preStop', { pod, container, state })
      : undefined;
  return { handle, graceMs, ...(container ? { container } : {}), ...(preStop ? { preStop } : {}) };
}

export function hookOf(
  which: 'preStop' | 'postStart',
  { pod, container, state }: { pod: Pod; container: Container; state: PodState },
): Hook | undefined {
  const handler = container.lifecycle?.[which];
  if (!handler) return undefined;
  return {
    action: actionOf(handler, container.ports ?? []),
    podIp: state.record.podIps[0] ?? '',
    sharesHost: sharesHost(pod, state),
  };
}

/** Whether the pod is reached at the device's own address. */
export function sharesHost({ spec }: Pod, { record }: PodState): boolean {
  return spec?.hostNetwork === true || record.runtime === 'process';
}

/** By name, in any of the pod's lists. */
export function findContainer(pod: Pod | undefined, name: string): Container | undefined {
  const { initContainers = [], containers = [], ephemeralContainers = [] } = pod?.spec ?? {};
  return [...initContainers, ...containers, ...ephemeralContainers].find(
    (container) => container.name === name,
  );
}
