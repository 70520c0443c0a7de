import type { ContainerStatus, Pod, PodCondition } from '../../protocol/generated/models.ts';
import { isSidecar } from './container-view.ts';
import type { Plan } from './plan-parts.ts';
import type { PodState } from './pod-state.ts';

export interface ConditionFacts {
  pod: Pod;
  state: PodState;
  plan: Plan;
  initContainerStatuses: readonly ContainerStatus[];
  containerStatuses: readonly ContainerStatus[];
  /** Of a pod in which nothing runs and nothing will start any more. */
  endPhase: string | undefined;
}

/** The conditions that a kubelet sets, without their times, with its reasons and words. Pure. */
export function podConditions(facts: ConditionFacts): PodCondition[] {
  const { state, plan } = facts;
  const sandboxReady = state.record.sandbox !== undefined && state.sandbox?.state === 'ready';
  const containersReady = containerReadiness(facts);
  return [
    {
      type: 'PodReadyToStartContainers',
      status: sandboxReady ? 'True' : 'False',
      ...(sandboxReady ? {} : plan.sandboxFailure),
    },
    { type: 'Initialized', ...initialization(facts) },
    { type: 'Ready', ...podReadiness(facts.pod, containersReady) },
    { type: 'ContainersReady', ...containersReady },
    { type: 'PodScheduled', status: 'True' },
  ];
}

type Verdict = Omit<PodCondition, 'type'>;

function initialization(facts: ConditionFacts): Verdict {
  const { pod, initContainerStatuses, containerStatuses, endPhase } = facts;
  const sidecars = sidecarNames(pod);
  const uninitialized = initContainerStatuses.filter(({ name, ready, started }) =>
    sidecars.has(name) ? !started : !ready,
  );
  const mainBegan = containerStatuses.some(({ containerID }) => containerID !== undefined);
  if (uninitialized.length > 0 && !mainBegan)
    return incomplete('ContainersNotInitialized', 'containers with incomplete status', uninitialized);
  return { status: 'True', ...(endPhase === 'Succeeded' ? { reason: 'PodCompleted' } : {}) };
}

/** Sidecars count as app containers do. */
function containerReadiness(facts: ConditionFacts): Verdict {
  const { pod, initContainerStatuses, containerStatuses, endPhase } = facts;
  if (endPhase !== undefined)
    return { status: 'False', reason: endPhase === 'Succeeded' ? 'PodCompleted' : 'PodFailed' };
  const sidecars = sidecarNames(pod);
  const counted = [...initContainerStatuses.filter(({ name }) => sidecars.has(name)), ...containerStatuses];
  const unready = counted.filter(({ ready }) => !ready);
  return incomplete('ContainersNotReady', 'containers with unready status', unready);
}

/** Ready containers are not enough where somebody else has a say. */
function podReadiness({ spec, status }: Pod, containersReady: Verdict): Verdict {
  if (containersReady.status !== 'True') return containersReady;
  const unmet = (spec?.readinessGates ?? []).flatMap(({ conditionType }) => {
    const condition = status?.conditions?.find(({ type }) => type === conditionType);
    if (!condition)
      return [`corresponding condition of pod readiness gate "${conditionType}" does not exist.`];
    if (condition.status === 'True') return [];
    return [`the status of pod readiness gate "${conditionType}" is not "True", but ${condition.status}`];
  });
  if (unmet.length === 0) return containersReady;
  return { status: 'False', reason: 'ReadinessGatesNotReady', message: unmet.join(', ') };
}

function sidecarNames({ spec }: Pod): ReadonlySet<string> {
  return new Set((spec?.initContainers ?? []).filter(isSidecar).map(({ name }) => name));
}

function incomplete(reason: string, words: string, statuses: readonly ContainerStatus[]): Verdict {
  if (statuses.length === 0) return { status: 'True' };
  return { status: 'False', reason, message: `${words}: [${statuses.map(({ name }) => name).join(' ')}]` };
}
