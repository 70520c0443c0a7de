import type { Container, Pod, Probe } from '../../protocol/generated/models.ts';
import { actionOf } from '../probes/action.ts';
import type { ProbeKind, ProbeTarget } from '../probes/prober.ts';
import { containersOf, isFinished, isSidecar, viewContainer } from './container-view.ts';
import type { ContainerRecord } from './pod-record.ts';
import type { Now, PodState } from './pod-state.ts';

/** What probes and hooks have said of a running container, and what is to be asked next. Pure. */

/** It runs and has done what its author wants done first. */
export function isUp(record: ContainerRecord, { lifecycle }: Container): boolean {
  return lifecycle?.postStart === undefined || record.postStarted === true;
}

export function isStarted(record: ContainerRecord, container: Container): boolean {
  return isUp(record, container) && (container.startupProbe === undefined || record.started === true);
}

export function isReady(record: ContainerRecord, container: Container): boolean {
  return isStarted(record, container) && (container.readinessProbe === undefined || record.ready === true);
}

/**
 * The probes of a pod at this moment. Before its startup probe has succeeded a container has no other; a pod that
 * is on its way out is asked for readiness only.
 */
export function probeTargets(pod: Pod, state: PodState, now: Now): ProbeTarget[] {
  const containers = containersOf(pod.spec);
  if (isFinished(state, containers)) return [];
  return [...containers.init.filter(isSidecar), ...containers.main].flatMap((container) => {
    const view = viewContainer(state, container.name);
    if (view.is !== 'running' || !isUp(view.record, container)) return [];
    const kinds = kindsOf(container, view.record).filter(
      (kind) => kind === 'readiness' || (!state.record.terminating && !state.doomed[container.name]),
    );
    const ranMs = Math.max(0, now.wallMs - view.startedAtMs);
    return kinds.map((kind) => target(container, view.record, kind, { ranMs, now }));
  });
}

function kindsOf(container: Container, record: ContainerRecord): ProbeKind[] {
  if (!isStarted(record, container)) return ['startup'];
  return (['liveness', 'readiness'] as const).filter((kind) => probeOf(container, kind) !== undefined);
}

export function probeOf(container: Container, kind: ProbeKind): Probe | undefined {
  switch (kind) {
    case 'liveness':
      return container.livenessProbe;
    case 'readiness':
      return container.readinessProbe;
    case 'startup':
      return container.startupProbe;
  }
}

function target(
  container: Container,
  record: ContainerRecord,
  kind: ProbeKind,
  { ranMs, now }: { ranMs: number; now: Now },
): ProbeTarget {
  const probe: Probe = probeOf(container, kind) ?? {};
  const initialDelayMs = (probe.initialDelaySeconds ?? 0) * 1000;
  const told: Record<ProbeKind, boolean | undefined> = {
    liveness: true,
    readiness: record.ready ?? false,
    startup: undefined,
  };
  return {
    container: container.name,
    attempt: record.handle.attempt,
    kind,
    action: actionOf(probe, container.ports ?? []),
    // By the wall clock, which may have jumped: at worst the whole delay is waited for once more.
    firstAtMs: now.monotonicMs + Math.max(0, initialDelayMs - ranMs),
    periodMs: (probe.periodSeconds ?? 10) * 1000,
    timeoutMs: (probe.timeoutSeconds ?? 1) * 1000,
    successThreshold: probe.successThreshold ?? 1,
    failureThreshold: probe.failureThreshold ?? 3,
    healthy: told[kind],
  };
}
