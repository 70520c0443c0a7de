import type { ContainerState, ContainerStatus, Pod } from '../generated/models.ts';
import { ageSince } from '../human-duration.ts';
import { isSidecar } from './pod-spec/resources.ts';
import { timestamp } from './stored-object.ts';

/**
 * The one-line picture of a pod that `kubectl get pods` shows
 * (source: k8s.io/kubernetes/pkg/printers/internalversion, printPod).
 */
export interface PodSummary {
  ready: string;
  status: string;
  restarts: string;
}

export function isFinished(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

export function summarizePod(pod: Pod, now: number): PodSummary {
  const { containers = [], initContainers = [] } = pod.spec ?? {};
  const init = summarizeInitialization(pod);
  const initialized = hasCondition(pod, 'Initialized', 'True');
  const main = init.reason === undefined || initialized ? summarizeContainers(pod, init.reason) : undefined;
  const counted = main ? [...init.sidecars, ...main.statuses] : (pod.status?.initContainerStatuses ?? []);
  const total = containers.length + initContainers.filter(isSidecar).length;
  return {
    ready: `${init.readySidecars + (main?.ready ?? 0)}/${total}`,
    status: overallStatus(pod, main?.reason ?? init.reason ?? baseReason(pod)),
    restarts: restartsText(counted, now),
  };
}

function baseReason({ status }: Pod): string {
  const gated = status?.conditions?.some(
    ({ type, reason }) => type === 'PodScheduled' && reason === 'SchedulingGated',
  );
  if (gated) return 'SchedulingGated';
  return status?.reason || status?.phase || '';
}

/** A deletion shows over everything but the end of the pod itself. */
function overallStatus(pod: Pod, reason: string): string {
  if (pod.metadata?.deletionTimestamp === undefined) return reason;
  if (pod.status?.reason === 'NodeLost') return 'Unknown';
  return isFinished(pod) ? reason : 'Terminating';
}

interface Initialization {
  /** Set while initialization holds the pod up. */
  reason: string | undefined;
  sidecars: ContainerStatus[];
  readySidecars: number;
}

function summarizeInitialization(pod: Pod): Initialization {
  const specs = pod.spec?.initContainers ?? [];
  const answer: Initialization = { reason: undefined, sidecars: [], readySidecars: 0 };
  for (const [index, status] of (pod.status?.initContainerStatuses ?? []).entries()) {
    const sidecar = isSidecar(specs.find(({ name }) => name === status.name));
    if (sidecar) answer.sidecars.push(status);
    if (status.state?.terminated?.exitCode === 0) continue;
    if (sidecar && status.started === true) {
      if (status.ready) answer.readySidecars++;
      continue;
    }
    answer.reason = initReason(status.state ?? {}, `Init:${index}/${specs.length}`);
    break;
  }
  return answer;
}

function initReason({ terminated, waiting }: ContainerState, progress: string): string {
  if (terminated) return `Init:${exitReason(terminated)}`;
  if (waiting?.reason && waiting.reason !== 'PodInitializing') return `Init:${waiting.reason}`;
  return progress;
}

function exitReason({ reason, signal, exitCode }: NonNullable<ContainerState['terminated']>): string {
  if (reason) return reason;
  return signal ? `Signal:${signal}` : `ExitCode:${exitCode}`;
}

interface Containers {
  reason: string;
  ready: number;
  statuses: ContainerStatus[];
}

/** The first container with something to say wins, so the list is read from its end. */
function summarizeContainers(pod: Pod, initReason: string | undefined): Containers {
  const statuses = pod.status?.containerStatuses ?? [];
  let reason = initReason ?? baseReason(pod);
  let ready = 0;
  for (const { state, ready: isReady } of statuses.toReversed()) {
    if (state?.waiting?.reason) reason = state.waiting.reason;
    else if (state?.terminated) reason = exitReason(state.terminated);
    else if (isReady && state?.running) ready++;
  }
  if (reason === 'Completed' && ready > 0)
    reason = hasCondition(pod, 'Ready', 'True') ? 'Running' : 'NotReady';
  return { reason, ready, statuses };
}

export function hasCondition(pod: Pod, type: string, status: string): boolean {
  return pod.status?.conditions?.some((one) => one.type === type && one.status === status) ?? false;
}

/** Notes, in place, that the pod goes because somebody made it go, not because it failed. */
export function markDisrupted(
  pod: Pod,
  { reason, message }: { reason: string; message: string },
  nowMs: number,
): void {
  const conditions = (pod.status?.conditions ?? []).filter(({ type }) => type !== 'DisruptionTarget');
  const lastTransitionTime = timestamp(nowMs);
  const condition = { type: 'DisruptionTarget', status: 'True', reason, message, lastTransitionTime };
  pod.status = { ...pod.status, conditions: [...conditions, condition] };
}

function restartsText(statuses: readonly ContainerStatus[], now: number): string {
  const count = statuses.reduce((sum, { restartCount }) => sum + (restartCount ?? 0), 0);
  const last = statuses
    .map(({ lastState }) => lastState?.terminated?.finishedAt)
    .reduce(
      (latest, at) => (Date.parse(at ?? '') > Date.parse(latest ?? '1970-01-01') ? at : latest),
      undefined,
    );
  return count === 0 || last === undefined ? `${count}` : `${count} (${ageSince(last, now)} ago)`;
}
