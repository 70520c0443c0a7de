import type { Container, Pod } from '../../protocol/generated/models.ts';
import { isStarted, isUp } from './container-health.ts';
import {
  containersOf,
  initSucceeded,
  isAlive,
  isFinished,
  isSidecar,
  type PodContainers,
  viewContainer,
} from './container-view.ts';
import { imageVolumes } from './image-volumes.ts';
import { planContainer, planImage } from './plan-container.ts';
import { checkDeadline } from './plan-deadline.ts';
import { planEnding } from './plan-ending.ts';
import { isEvicted, planEviction } from './plan-eviction.ts';
import {
  earliest,
  emptyPlan,
  isTerminating,
  merge,
  type PartPlan,
  type Plan,
  type PlanInput,
  type Reason,
} from './plan-parts.ts';
import { planSandbox } from './plan-sandbox.ts';
import { planStaging } from './plan-staging.ts';
import { planTeardown } from './plan-teardown.ts';
import { planVolumes } from './plan-volumes.ts';
import type { PodState } from './pod-state.ts';
import { judgeResize } from './resize.ts';
import { planRestartAll } from './restart-all.ts';
import { imageTarget, type Step, type Target, targetOf } from './steps.ts';

/**
 * The decision of a pod worker: from what is wanted, what is, and the time, to the steps to take now and when to look
 * again. Pure; effects are in executors.ts, what follows from their outcomes in pod-state.ts.
 *
 * Invariants: a pod that is being torn down starts nothing; no step is planned for a target that has one under way
 * (but a stop may be hurried); app containers start only after every init container has succeeded, and every
 * sidecar has started, in the present sandbox.
 */
export function plan(input: PlanInput): Plan {
  const { pod, state } = input;
  if (!pod || isTerminating(pod, state.record)) return planStaging(input) ?? planTeardown(input);
  if (state.record.refused) return emptyPlan();
  if (isEvicted(state.record)) return planEviction(input);
  return planRun({ ...input, pod });
}

const notYet: PartPlan & { ready: boolean } = { ready: false, steps: [] };

function planRun(given: PlanInput & { pod: Pod }): Plan {
  const { pod, state, now } = given;
  const finished = isFinished(state, containersOf(pod.spec));
  const { failed, wakeAtMs } = finished ? {} : checkDeadline(pod, state, now);
  const result = planUnlessOver(failed ? { ...given, state: withFailed(state, failed) } : given);
  const wake = earliest(result.wakeAtMs, wakeAtMs);
  return { ...result, ...(failed ? { failed } : {}), ...(wake === undefined ? {} : { wakeAtMs: wake }) };
}

/** As it will be written down with the plan that rests on it. */
export function withFailed(state: PodState, failed: Required<Reason>): PodState {
  return { ...state, record: { ...state.record, failed } };
}

function planUnlessOver(given: PlanInput & { pod: Pod }): Plan {
  const { state } = given;
  const result = emptyPlan();
  const finished = isFinished(state, containersOf(given.pod.spec));
  const { pod, allocation, pending } = finished
    ? { pod: given.pod }
    : judgeResize(given.pod, state.record, given.context);
  const input = { ...given, pod };
  const containers = containersOf(pod.spec);
  if (allocation) result.allocation = allocation;
  if (pending) result.resizePending = pending;
  result.steps.push(...removeGarbage(input));
  result.abandon.push(...outdatedPulls(state, pod));
  result.abandon.push(...outdatedHooks(state));
  if (finished) {
    merge(result, planEnding(input));
    return result;
  }

  const restart = planRestartAll(input);
  if (restart)
    return { ...result, ...restart, steps: [...result.steps, ...restart.steps], abandon: result.abandon };
  const volumes = planVolumes(input);
  merge(result, volumes);
  const sandbox = volumes.ready ? planSandbox(input, containers) : notYet;
  merge(result, sandbox);
  if (sandbox.waiting) result.sandboxFailure = sandbox.waiting;
  const due = sandbox.ready ? dueContainers(state, containers) : { init: [], main: [] };
  for (const container of due.init) merge(result, planContainer(input, container, 'init'), container.name);
  for (const container of due.main) merge(result, planContainer(input, container, 'main'), container.name);
  // Whoever looks into a pod need not wait for it to be initialized.
  for (const container of sandbox.ready ? (pod.spec?.ephemeralContainers ?? []) : [])
    merge(result, planContainer(input, container, 'ephemeral'), container.name);
  prefetch(input, containers, [...due.init, ...due.main], result);
  return result;
}

/**
 * Init containers one after the other, a sidecar until it has started; then the app containers. While one of those
 * lives, initialization is over and only sidecars are looked after.
 */
function dueContainers(
  state: PodState,
  { init, main }: PodContainers,
): { init: Container[]; main: Container[] } {
  const begun = main.some(({ name }) => isAlive(viewContainer(state, name)));
  const due: Container[] = [];
  for (const container of init) {
    const view = viewContainer(state, container.name);
    if (isSidecar(container)) {
      due.push(container);
      if (!begun && (view.is !== 'running' || !isStarted(view.record, container)))
        return { init: due, main: [] };
    } else if (!begun && !initSucceeded(view)) return { init: [...due, container], main: [] };
  }
  return { init: due, main: dueMain(state, main) };
}

/** Nothing starts for the first time before the hooks of those that come before it are done. */
function dueMain(state: PodState, main: readonly Container[]): Container[] {
  const blocker = main.findIndex((container) => {
    const view = viewContainer(state, container.name);
    if (container.lifecycle?.postStart === undefined || view.is === 'exited') return false;
    return view.is !== 'running' || !isUp(view.record, container);
  });
  if (blocker === -1) return [...main];
  return main.filter(({ name }, index) => index <= blocker || viewContainer(state, name).is !== 'absent');
}

/** Fetches images while something else is still in the way, so that nothing waits for them later. */
function prefetch(input: PlanInput & { pod: Pod }, all: PodContainers, due: Container[], result: Plan): void {
  for (const container of [...all.init, ...all.main]) {
    if (due.includes(container) || viewContainer(input.state, container.name).is !== 'absent') continue;
    const { steps, wakeAtMs, waiting } = planImage(input, container);
    merge(result, { steps, ...(wakeAtMs === undefined ? {} : { wakeAtMs }) });
    // A failing pull shows even though the container's turn has not come.
    if (waiting && all.init.length === 0) result.waiting[container.name] = waiting;
  }
}

/** A removal that failed waits for the next occasion to plan; garbage is no reason to wake up. */
function removeGarbage({ state, now }: PlanInput): Step[] {
  const steps = state.record.garbage.map((handle): Step => ({ type: 'removeContainer', handle }));
  return steps.filter((step) => {
    const target = targetOf(step);
    return !state.underWay[target] && (state.failures[target]?.retryAtMs ?? 0) <= now.monotonicMs;
  });
}

/** A hook ends with its container. */
function outdatedHooks({ underWay, record }: PodState): Target[] {
  return Object.keys(underWay).filter((target) => {
    const step = underWay[target];
    if (step?.type !== 'postStart') return false;
    const current = record.containers[step.handle.container];
    return current?.exit !== undefined || current?.handle.attempt !== step.handle.attempt;
  });
}

function outdatedPulls(state: PodState, pod: Pod): Target[] {
  const { initContainers = [], containers = [], ephemeralContainers = [] } = pod.spec ?? {};
  const all = [...initContainers, ...containers, ...ephemeralContainers, ...imageVolumes(pod)];
  const wanted = new Set(all.map(({ name, image }) => imageTarget(name, image ?? '')));
  return Object.keys(state.underWay).filter((target) => target.startsWith('image/') && !wanted.has(target));
}
