import type { ContainerStatus, Pod, PodCondition, PodStatus } from '../../protocol/generated/models.ts';
import { qosClassOf } from '../../protocol/kinds/pod-spec/resources.ts';
import { timestamp } from '../../protocol/kinds/stored-object.ts';
import { wholePod, writtenResources } from './container-resources.ts';
import { containerStatus } from './container-status.ts';
import { containersOf, initFailed, isFinished, isOver, isSidecar, viewContainer } from './container-view.ts';
import type { ContainerRole } from './plan-container.ts';
import { isEvicted } from './plan-eviction.ts';
import type { Plan, PlanContext, Reason } from './plan-parts.ts';
import { podConditions } from './pod-conditions.ts';
import type { PodRecord } from './pod-record.ts';
import type { PodState } from './pod-state.ts';
import { resizeProgress } from './resize.ts';
import { askingContainer, mayRestartAll } from './restart-all.ts';
import { messageShare } from './termination-message.ts';

export interface PodStatusOptions {
  pod: Pod;
  state: PodState;
  plan: Plan;
  wallMs: number;
  idScheme: string;
  hostIps: readonly string[];
  deviceNodes?: PlanContext['deviceNodes'];
  /** What the app says of being updated, where it was asked. */
  lock?: PodCondition | undefined;
}

/** What the server shows of the pod, and since when each condition is as it is (to be kept in the record). */
export function podStatus(options: PodStatusOptions): {
  status: PodStatus;
  transitions: PodRecord['transitions'];
} {
  const { pod, state, plan, hostIps } = options;
  const containers = containersOf(pod.spec);
  const byRole = { ...containers, ephemeral: pod.spec?.ephemeralContainers ?? [] };
  const statuses = (role: ContainerRole) =>
    byRole[role].map((container) =>
      containerStatus(container, {
        state,
        role,
        idScheme: options.idScheme,
        devices: { nodeName: pod.spec?.nodeName ?? '', deviceNodes: options.deviceNodes },
        messageBytesMax: messageShare(pod),
        waiting: plan.waiting[container.name] ?? sandboxProblem(plan, containers.init.length > 0),
        waitingByDefault: containers.init.length > 0 ? 'PodInitializing' : 'ContainerCreating',
      }),
    );
  const initContainerStatuses = statuses('init');
  const containerStatuses = statuses('main');
  const ephemeralContainerStatuses = statuses('ephemeral');
  const phase = podPhase(options, containerStatuses);
  const endPhase = isOver(state, containers) ? phase : undefined;
  const facts = { pod, state, plan, initContainerStatuses, containerStatuses, endPhase };
  const { conditions, transitions } = dated(
    [
      ...podConditions(facts),
      ...resizeConditions(options),
      ...restartConditions(pod, state),
      ...disruption(state.record),
    ],
    options,
  );
  const { podIps } = state.record;
  const { generation } = pod.metadata ?? {};
  const status: PodStatus = {
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    phase,
    conditions: options.lock ? [...conditions, options.lock] : conditions,
    ...(endPhase && state.record.failed ? state.record.failed : (plan.notice ?? {})),
    ...(hostIps[0] === undefined ? {} : { hostIP: hostIps[0], hostIPs: hostIps.map((ip) => ({ ip })) }),
    ...podResources(state),
    ...(podIps[0] === undefined ? {} : { podIP: podIps[0], podIPs: podIps.map((ip) => ({ ip })) }),
    startTime: timestamp(state.record.startedAtMs),
    ...(initContainerStatuses.length > 0 ? { initContainerStatuses } : {}),
    containerStatuses,
    ...(ephemeralContainerStatuses.length > 0 ? { ephemeralContainerStatuses } : {}),
    qosClass: pod.status?.qosClass ?? qosClassOf(pod.spec ?? { containers: [] }),
  };
  return { status, transitions };
}

/** Of a pod that asks for something as a whole. */
function podResources({ record }: PodState): Pick<PodStatus, 'allocatedResources' | 'resources'> {
  const granted = record.allocation?.[wholePod];
  if (!granted) return {};
  return {
    ...(granted.requests ? { allocatedResources: granted.requests } : {}),
    resources: writtenResources(granted),
  };
}

/** What is asked and not granted, and what is granted and not done yet. */
function resizeConditions({ pod, state, plan }: PodStatusOptions): PodCondition[] {
  const progress = resizeProgress(pod, state);
  const { resizePending } = plan;
  return [
    ...(resizePending ? [{ type: 'PodResizePending', status: 'True', ...resizePending }] : []),
    ...(progress?.message === undefined ? [] : [{ ...inProgress, reason: 'Error', ...progress }]),
    ...(progress && progress.message === undefined ? [inProgress] : []),
  ];
}

const inProgress = { type: 'PodResizeInProgress', status: 'True' };

/** Only of a pod that may ask for it. */
function restartConditions(pod: Pod, state: PodState): PodCondition[] {
  if (!mayRestartAll(pod)) return [];
  const type = 'AllContainersRestarting';
  if (state.record.failed || !askingContainer(pod, state)) return [{ type, status: 'False' }];
  const message = 'container exited with restart policy rule';
  return [{ type, status: 'True', reason: 'RestartAllContainersStarted', message }];
}

/** Tells whoever counts disruptions that the pod did not fail by itself. */
function disruption(record: PodRecord): PodCondition[] {
  if (!record.failed || !isEvicted(record)) return [];
  const { message } = record.failed;
  return [{ type: 'DisruptionTarget', status: 'True', reason: 'TerminationByKubelet', message }];
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

/** kubelet's getPhase. A pod is at its end only when nothing of it runs any more. */
function podPhase({ pod, state }: PodStatusOptions, statuses: readonly ContainerStatus[]): string {
  const containers = containersOf(pod.spec);
  const { init, policy, main } = containers;
  const mainBegan = main.some(({ name }) => viewContainer(state, name).is !== 'absent');
  const over = isOver(state, containers);
  if (state.record.failed && over) return 'Failed';
  if (!mainBegan) {
    const views = init.map((container) => ({ container, view: viewContainer(state, container.name) }));
    const regular = views.filter(({ container }) => !isSidecar(container));
    if (regular.some(({ container, view }) => initFailed(view, container, policy)))
      return over ? 'Failed' : 'Pending';
    if (regular.some(({ view }) => view.is !== 'exited' || view.exit.exitCode !== 0)) return 'Pending';
    if (!over) return 'Pending';
  }
  if (isFinished(state, containers)) {
    if (!over) return 'Running';
    return statuses.every(({ state: ended }) => ended?.terminated?.exitCode === 0) ? 'Succeeded' : 'Failed';
  }
  return phaseOfContainers(statuses);
}

/** Of a pod in which something will go on. */
function phaseOfContainers(statuses: readonly ContainerStatus[]): string {
  const count = (test: (status: ContainerStatus) => boolean) => statuses.filter(test).length;
  const running = count(({ state }) => state?.running !== undefined);
  const stopped = count(
    ({ state, lastState }) => ended(state) || (state?.waiting !== undefined && ended(lastState)),
  );
  return running + stopped < statuses.length ? 'Pending' : 'Running';
}

function ended(state: ContainerStatus['state']): boolean {
  return state?.terminated !== undefined;
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
    const { generation } = pod.metadata ?? {};
    return {
      ...condition,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
      lastTransitionTime: (given && given.lastTransitionTime) || timestamp(transition.atMs),
    };
  });
  return { conditions: result, transitions };
}
