import type { Container } from '../../protocol/generated/models.ts';
import type { ContainerExit, ContainerRecord } from './pod-record.ts';
import type { PodState } from './pod-state.ts';

/** What a container is at this moment, from its record and what was last seen of its current attempt. */
export type ContainerView =
  | { is: 'absent'; record?: undefined }
  /** Recorded, but not looked at since the agent started. */
  | { is: 'unseen'; record: ContainerRecord }
  | { is: 'created'; record: ContainerRecord }
  | { is: 'running'; record: ContainerRecord; startedAtMs: number }
  | { is: 'exited'; record: ContainerRecord; exit: ContainerExit; ofOldSandbox: boolean };

export function viewContainer(state: PodState, name: string): ContainerView {
  const record = state.record.containers[name];
  if (!record) return { is: 'absent' };
  if (record.exit) {
    const ofOldSandbox = record.sandboxAttempt !== state.record.sandboxAttempt;
    return { is: 'exited', record, exit: record.exit, ofOldSandbox };
  }
  const seen = state.observed[name];
  if (seen?.state === 'running') return { is: 'running', record, startedAtMs: seen.startedAtMs };
  return { is: seen?.state === 'created' ? 'created' : 'unseen', record };
}

export function isAlive({ is }: ContainerView): boolean {
  return is !== 'absent' && is !== 'exited';
}

export type RestartPolicy = 'Always' | 'OnFailure' | 'Never';

export function restartPolicyOf(spec: { restartPolicy?: string } | undefined): RestartPolicy {
  const policy = spec?.restartPolicy;
  return policy === 'Never' || policy === 'OnFailure' ? policy : 'Always';
}

/** An init container that goes on beside the app containers. */
export function isSidecar({ restartPolicy }: Container): boolean {
  return restartPolicy === 'Always';
}

/** Whether an ended app container or sidecar starts again. The container's own word goes before the pod's. */
export function restarts(
  view: Extract<ContainerView, { is: 'exited' }>,
  container: Container,
  podPolicy: RestartPolicy,
): boolean {
  const policy = container.restartPolicy === undefined ? podPolicy : restartPolicyOf(container);
  if (view.record.replace || policy === 'Always' || asksRestart(container, view.exit)) return true;
  return policy === 'OnFailure' && (view.exit.exitCode !== 0 || view.record.unwell === true);
}

/** What the first of its rules that speaks of this exit code asks for. */
export function ruledAction(
  { restartPolicyRules = [] }: Container,
  { exitCode }: ContainerExit,
): 'Restart' | 'RestartAllContainers' | undefined {
  const rule = restartPolicyRules.find(({ exitCodes }) => {
    const named = exitCodes?.values?.includes(exitCode) ?? false;
    return exitCodes !== undefined && named === (exitCodes.operator === 'In');
  });
  return rule?.action === 'Restart' || rule?.action === 'RestartAllContainers' ? rule.action : undefined;
}

function asksRestart(container: Container, exit: ContainerExit): boolean {
  return ruledAction(container, exit) !== undefined;
}

/** An ended init container: it is done with when it succeeded in the present sandbox, else it is tried again. */
export function retriesInit(
  view: Extract<ContainerView, { is: 'exited' }>,
  container: Container,
  podPolicy: RestartPolicy,
): boolean {
  if (view.ofOldSandbox || asksRestart(container, view.exit)) return true;
  return initPolicy(container, podPolicy) !== 'Never';
}

/** An init container that failed for good: init containers are retried on failure unless the pod says Never. */
export function initFailed(view: ContainerView, container: Container, podPolicy: RestartPolicy): boolean {
  return (
    view.is === 'exited' &&
    view.exit.exitCode !== 0 &&
    initPolicy(container, podPolicy) === 'Never' &&
    !asksRestart(container, view.exit)
  );
}

function initPolicy(container: Container, podPolicy: RestartPolicy): RestartPolicy {
  return container.restartPolicy === undefined ? podPolicy : restartPolicyOf(container);
}

export function initSucceeded(view: ContainerView): boolean {
  return view.is === 'exited' && view.exit.exitCode === 0 && !view.ofOldSandbox;
}

export interface PodContainers {
  init: readonly Container[];
  main: readonly Container[];
  policy: RestartPolicy;
}

export function containersOf(
  spec: { containers: Container[]; initContainers?: Container[]; restartPolicy?: string } | undefined,
): PodContainers {
  return { init: spec?.initContainers ?? [], main: spec?.containers ?? [], policy: restartPolicyOf(spec) };
}

/**
 * Nothing of the pod will start again: the node has ended it, every app container has ended for good, or an init
 * container has failed for good. Sidecars may still run: they are stopped then.
 */
export function isFinished(state: PodState, { init, main, policy }: PodContainers): boolean {
  if (state.record.failed) return true;
  const views = main.map((container) => ({ container, view: viewContainer(state, container.name) }));
  const neverBegun = views.every(({ view }) => view.is === 'absent');
  const failed = (container: Container) =>
    !isSidecar(container) && initFailed(viewContainer(state, container.name), container, policy);
  if (neverBegun && init.some(failed)) return true;
  return (
    main.length > 0 &&
    views.every(({ container, view }) => view.is === 'exited' && !restarts(view, container, policy))
  );
}

/** Finished, and nothing of it runs any more; what was created and never started does not. */
export function isOver(state: PodState, containers: PodContainers): boolean {
  const still = Object.values(state.record.containers).some(
    ({ exit, handle }) => !exit && state.observed[handle.container]?.state !== 'created',
  );
  return isFinished(state, containers) && !still;
}
