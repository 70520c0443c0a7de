import type { ContainerStatus, Pod, PodCondition, PodStatus } from '../../protocol/generated/models.ts';
import { qosClassOf } from '../../protocol/kinds/pod-spec/resources.ts';
import { timestamp } from '../../protocol/kinds/stored-object.ts';
import { containerStatus } from './container-status.ts';
import { containersOf, initFailed, isFinished, type RestartPolicy, viewContainer } from './container-view.ts';
import type { Plan, Reason } from './plan-parts.ts';
import type { PodRecord } from './pod-record.ts';
import type { PodState } from './pod-state.ts';

export interface PodStatusOptions {
  pod: Pod;
  state: PodState;
  plan: Plan;
  wallMs: number;
  idScheme: string;
  hostIps: readonly string[];
}

/** What the server shows of the pod, and since when each condition is as it is (to be kept in the record). */
export function podStatus(options: PodStatusOptions): {
  status: PodStatus;
  transitions: PodRecord['transitions'];
} {
  const { pod, state, plan, hostIps } = options;
  const containers = containersOf(pod.spec);
  const statuses = (role: 'init' | 'main') =>
    containers[role].map((container) =>
      containerStatus(container, {
        state,
        role,
        idScheme: options.idScheme,
        waiting: plan.waiting[container.name] ?? sandboxProblem(plan, containers.init.length > 0),
        waitingByDefault: containers.init.length > 0 ? 'PodInitializing' : 'ContainerCreating',
      }),
    );
  const initContainerStatuses = statuses('init');
  const containerStatuses = statuses('main');
  const finished = isFinished(state, containers);
  const phase = podPhase(options, containerStatuses);
  const facts = { initContainerStatuses, containerStatuses, phase: finished ? phase : undefined };
  const { conditions, transitions } = dated(podConditions(options, facts), options);
  const { podIps } = state.record;
  const status: PodStatus = {
    phase,
    conditions,
    ...(plan.notice ? plan.notice : {}),
    ...(hostIps[0] === undefined ? {} : { hostIP: hostIps[0], hostIPs: hostIps.map((ip) => ({ ip })) }),
    ...(podIps[0] === undefined ? {} : { podIP: podIps[0], podIPs: podIps.map((ip) => ({ ip })) }),
    startTime: timestamp(state.record.startedAtMs),
    ...(initContainerStatuses.length > 0 ? { initContainerStatuses } : {}),
    containerStatuses,
    qosClass: pod.status?.qosClass ?? qosClassOf(pod.spec ?? { containers: [] }),
  };
  return { status, transitions };
}

/** Without a sandbox no container can say why it waits. */
function sandboxProblem(plan: Plan, hasInit: boolean): Reason | undefined {
  if (!plan.sandboxFailure) return undefined;
  const { reason, message } = plan.sandboxFailure;
  return {
    reason: hasInit ? 'PodInitializing' : 'ContainerCreating',
    message: `${reason}: ${message ?? ''}`,
  };
}

/** kubelet's getPhase. */
function podPhase({ pod, state }: PodStatusOptions, statuses: readonly ContainerStatus[]): string {
  const { init, policy, main } = containersOf(pod.spec);
  const mainBegan = main.some(({ name }) => viewContainer(state, name).is !== 'absent');
  const initViews = init.map(({ name }) => viewContainer(state, name));
  if (!mainBegan) {
    if (initViews.some((view) => initFailed(view, policy))) return 'Failed';
    if (initViews.some((view) => view.is !== 'exited' || view.exit.exitCode !== 0)) return 'Pending';
  }
  return phaseOfContainers(statuses, policy);
}

function phaseOfContainers(statuses: readonly ContainerStatus[], policy: RestartPolicy): string {
  const count = (test: (status: ContainerStatus) => boolean) => statuses.filter(test).length;
  const running = count(({ state }) => state?.running !== undefined);
  const stopped = count(
    ({ state, lastState }) => ended(state) || (state?.waiting !== undefined && ended(lastState)),
  );
  const succeeded = count(({ state }) => state?.terminated?.exitCode === 0);
  if (running + stopped < statuses.length) return 'Pending';
  if (running > 0 || policy === 'Always') return 'Running';
  if (succeeded === statuses.length) return 'Succeeded';
  return policy === 'Never' ? 'Failed' : 'Running';
}

function ended(state: ContainerStatus['state']): boolean {
  return state?.terminated !== undefined;
}

interface ConditionFacts {
  initContainerStatuses: readonly ContainerStatus[];
  containerStatuses: readonly ContainerStatus[];
  /** Of a pod in which nothing will start any more. */
  phase: string | undefined;
}

function podConditions({ state, plan }: PodStatusOptions, facts: ConditionFacts): PodCondition[] {
  const sandboxReady = state.record.sandbox !== undefined && state.sandbox?.state === 'ready';
  const unready = facts.containerStatuses.filter(({ ready }) => !ready);
  const uninitialized = facts.initContainerStatuses.filter(({ ready }) => !ready);
  const mainBegan = facts.containerStatuses.some(({ containerID }) => containerID !== undefined);
  const readiness = incomplete('ContainersNotReady', 'containers with unready status', unready);
  const completed =
    facts.phase === 'Succeeded'
      ? { reason: 'PodCompleted' }
      : facts.phase === 'Failed'
        ? { reason: 'PodFailed' }
        : {};
  const initialization =
    uninitialized.length > 0 && !mainBegan
      ? incomplete('ContainersNotInitialized', 'containers with incomplete status', uninitialized)
      : { status: 'True', ...(facts.phase === 'Succeeded' ? completed : {}) };
  const ready = facts.phase === undefined ? readiness : { status: 'False', ...completed };
  return [
    {
      type: 'PodReadyToStartContainers',
      status: sandboxReady ? 'True' : 'False',
      ...(sandboxReady ? {} : plan.sandboxFailure),
    },
    { type: 'Initialized', ...initialization },
    { type: 'Ready', ...ready },
    { type: 'ContainersReady', ...ready },
    { type: 'PodScheduled', status: 'True' },
  ];
}

function incomplete(reason: string, words: string, statuses: readonly ContainerStatus[]) {
  if (statuses.length === 0) return { status: 'True' };
  return { status: 'False', reason, message: `${words}: [${statuses.map(({ name }) => name).join(' ')}]` };
}

/** A condition keeps its time for as long as its status stays; the scheduler's own is taken over from the pod. */
function dated(
  conditions: readonly PodCondition[],
  { pod, state, wallMs }: PodStatusOptions,
): { conditions: PodCondition[]; transitions: PodRecord['transitions'] } {
  const transitions: PodRecord['transitions'] = {};
  const result = conditions.map((condition) => {
    const { type, status } = condition;
    const before = state.record.transitions[type];
    const transition = before?.status === status ? before : { status, atMs: wallMs };
    transitions[type] = transition;
    const given = type === 'PodScheduled' && pod.status?.conditions?.find((other) => other.type === type);
    return {
      ...condition,
      lastTransitionTime: (given && given.lastTransitionTime) || timestamp(transition.atMs),
    };
  });
  return { conditions: result, transitions };
}
