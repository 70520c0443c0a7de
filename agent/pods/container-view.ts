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

export type RestartPolicy = 'Always' | 'OnFailure' | 'Never';

export function restartPolicyOf(spec: { restartPolicy?: string } | undefined): RestartPolicy {
  const policy = spec?.restartPolicy;
  return policy === 'Never' || policy === 'OnFailure' ? policy : 'Always';
}

/** Whether an ended app container starts again. */
export function restarts(view: Extract<ContainerView, { is: 'exited' }>, policy: RestartPolicy): boolean {
  if (view.record.replace || policy === 'Always') return true;
  return policy === 'OnFailure' && view.exit.exitCode !== 0;
}

/** An init container that failed for good: init containers are retried on failure unless the pod says Never. */
export function initFailed(view: ContainerView, policy: RestartPolicy): boolean {
  return policy === 'Never' && view.is === 'exited' && view.exit.exitCode !== 0;
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
 * Nothing of the pod will start again: every container has ended for good, or an init container has failed for
 * good.
 */
export function isFinished(state: PodState, { init, main, policy }: PodContainers): boolean {
  const ended = (name: string) => {
    const view = viewContainer(state, name);
    return view.is === 'exited' && !restarts(view, policy);
  };
  const neverBegun = main.every(({ name }) => viewContainer(state, name).is === 'absent');
  if (neverBegun && init.some(({ name }) => initFailed(viewContainer(state, name), policy))) return true;
  return main.length > 0 && main.every(({ name }) => ended(name));
}
