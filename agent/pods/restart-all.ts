import type { Container, Pod } from '../../protocol/generated/models.ts';
import { containersOf, ruledAction, viewContainer } from './container-view.ts';
import { emptyPlan, type Plan, type PlanInput } from './plan-parts.ts';
import type { PodRecord } from './pod-record.ts';
import type { PodState } from './pod-state.ts';
import { containerTarget, type Step } from './steps.ts';

/**
 * A container may end in a way that asks for all of the pod to begin anew (restartPolicyRules, RestartAllContainers):
 * what runs is stopped without its hooks, then everything starts as after the loss of the sandbox, which stays, as do
 * the volumes (source: KEP-5532). The back-off of the one that asked is waited for before, so that it cannot spin.
 */
export function planRestartAll({ pod, state, now }: PlanInput & { pod: Pod }): Plan | undefined {
  const asking = askingContainer(pod, state);
  if (!asking) return undefined;
  const plan = emptyPlan();
  const alive = Object.values(state.record.containers).filter(({ exit }) => !exit);
  const starting = Object.values(state.underWay).some(({ type }) => type === 'runContainer');
  if (alive.length > 0 || starting) {
    const stops = alive.map(
      ({ handle }): Step => ({
        type: 'stopContainer',
        handle,
        graceMs: 0,
        message: stopMessage(handle.container),
      }),
    );
    plan.steps = stops.filter(
      (step) => step.type === 'stopContainer' && !state.underWay[containerTarget(step.handle.container)],
    );
    return plan;
  }
  const startAtMs = state.restartAtMs[asking.name] ?? 0;
  if (startAtMs > now.monotonicMs) {
    plan.wakeAtMs = startAtMs;
    plan.waiting = {
      [asking.name]: {
        reason: 'CrashLoopBackOff',
        message: `back-off restarting all containers after ${asking.name}`,
      },
    };
    return plan;
  }
  return { ...plan, restartAll: true };
}

function stopMessage(container: string): string {
  return `Stopping container ${container}: all containers of the pod are restarted`;
}

/** The one whose end asks for it, undefined when none does. */
export function askingContainer({ spec }: Pod, state: PodState): Container | undefined {
  const { init, main } = containersOf(spec);
  return [...init, ...main].find((container) => {
    const view = viewContainer(state, container.name);
    return (
      view.is === 'exited' &&
      !view.ofOldSandbox &&
      ruledAction(container, view.exit) === 'RestartAllContainers'
    );
  });
}

/** Whether some end of a container of the pod would ask for it. */
export function mayRestartAll({ spec }: Pod): boolean {
  const { init, main } = containersOf(spec);
  return [...init, ...main].some(({ restartPolicyRules = [] }) =>
    restartPolicyRules.some(({ action }) => action === 'RestartAllContainers'),
  );
}

/** All that has ended counts as of a sandbox that is gone, and starts again whatever its policy says. */
export function restarted(record: PodRecord): PodRecord {
  const containers = Object.fromEntries(
    Object.entries(record.containers).map(([name, container]) => [name, { ...container, replace: true }]),
  );
  return { ...record, containers, sandboxAttempt: record.sandboxAttempt + 1 };
}
