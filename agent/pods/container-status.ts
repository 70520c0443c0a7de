import type {
  Container,
  ContainerState,
  ContainerStateTerminated,
  ContainerStatus,
} from '../../protocol/generated/models.ts';
import { timestamp } from '../../protocol/kinds/stored-object.ts';
import type { ContainerHandle } from '../drivers/driver.ts';
import { isReady, isStarted, isUp } from './container-health.ts';
import { isSidecar, viewContainer } from './container-view.ts';
import { type DeviceHealthOptions, deviceHealth } from './device-health.ts';
import type { ContainerRole } from './plan-container.ts';
import type { Reason } from './plan-parts.ts';
import type { ContainerExit } from './pod-record.ts';
import type { PodState } from './pod-state.ts';
import { clipped } from './termination-message.ts';

export interface ContainerStatusOptions {
  state: PodState;
  /** Why the container waits; absent when nothing keeps it. */
  waiting: Reason | undefined;
  /** What it waits for when nothing more is known. */
  waitingByDefault: 'ContainerCreating' | 'PodInitializing';
  role: ContainerRole;
  /** Bytes of a termination message that are shown. */
  messageBytesMax: number;
  /** `podman` in `podman://<id>`. */
  idScheme: string;
  devices: DeviceHealthOptions;
}

/** One entry of containerStatuses or initContainerStatuses. */
export function containerStatus(container: Container, options: ContainerStatusOptions): ContainerStatus {
  const { state, role, idScheme } = options;
  const view = viewContainer(state, container.name);
  const { stopSignal } = container.lifecycle ?? {};
  const base = {
    name: container.name,
    image: container.image ?? '',
    ...resourcesShown(container.name, state),
    ...(stopSignal === undefined ? {} : { stopSignal }),
    ...mountsShown(container),
  };
  if (view.is === 'absent') {
    const imageID = state.images[container.name]?.imageId ?? '';
    const waiting = { waiting: waitingState(options) };
    return { ...base, imageID, state: waiting, lastState: {}, ready: false, started: false, restartCount: 0 };
  }
  const { record } = view;
  const containerID = `${idScheme}://${record.engineId ?? record.handle.id}`;
  const common = {
    ...base,
    imageID: record.imageId,
    containerID,
    restartCount: record.handle.attempt,
    ...deviceHealth(record, options.devices),
  };
  const lastState = record.previous
    ? { terminated: terminatedState(record.previous.exit, record.previous.handle, options) }
    : {};
  switch (view.is) {
    case 'running': {
      const unready = { ready: false, started: false };
      if (!isUp(record, container))
        return { ...common, state: { waiting: waitingState(options) }, lastState, ...unready };
      const running = { startedAt: timestamp(view.startedAtMs) };
      const goesOn = role === 'main' || isSidecar(container);
      const ready = goesOn && isReady(record, container);
      return { ...common, state: { running }, lastState, ready, started: isStarted(record, container) };
    }
    case 'exited': {
      const terminated = terminatedState(view.exit, record.handle, options);
      const ready = role === 'init' && !isSidecar(container) && view.exit.exitCode === 0;
      if (!options.waiting) return { ...common, state: { terminated }, lastState, ready, started: false };
      const waiting: ContainerState = { waiting: waitingState(options) };
      return { ...common, state: waiting, lastState: { terminated }, ready: false, started: false };
    }
    case 'created':
    case 'unseen':
      return {
        ...common,
        state: { waiting: waitingState(options) },
        lastState,
        ready: false,
        started: false,
      };
  }
}

/** Only where somebody cannot know it from the spec: every word of a status travels. */
function mountsShown({ volumeMounts = [] }: Container): Pick<ContainerStatus, 'volumeMounts'> {
  const shown = volumeMounts.filter(({ recursiveReadOnly }) => recursiveReadOnly !== undefined);
  if (shown.length === 0) return {};
  return {
    volumeMounts: shown.map(({ name, mountPath, readOnly = false, recursiveReadOnly = 'Disabled' }) => ({
      name,
      mountPath,
      readOnly,
      recursiveReadOnly: recursiveReadOnly === 'Disabled' ? 'Disabled' : 'Enabled',
    })),
  };
}

/** What the node has granted, and what a container that runs has of it; what does not run shows what it will have. */
function resourcesShown(
  name: string,
  { record }: PodState,
): Pick<ContainerStatus, 'allocatedResources' | 'resources'> {
  const granted = record.allocation?.[name];
  const current = record.containers[name];
  const { requests, limits } = (current && !current.exit ? current.resources : undefined) ?? granted ?? {};
  if (!granted && !requests && !limits) return {};
  return {
    ...(granted?.requests ? { allocatedResources: granted.requests } : {}),
    resources: { ...(limits ? { limits } : {}), ...(requests ? { requests } : {}) },
  };
}

function waitingState({ waiting, waitingByDefault }: ContainerStatusOptions): {
  reason: string;
  message?: string;
} {
  return waiting ?? { reason: waitingByDefault };
}

function terminatedState(
  exit: ContainerExit,
  handle: ContainerHandle,
  { idScheme, messageBytesMax }: ContainerStatusOptions,
): ContainerStateTerminated {
  return {
    exitCode: exit.exitCode,
    reason: exit.reason,
    ...(exit.message === undefined ? {} : { message: clipped(exit.message, messageBytesMax) }),
    startedAt: timestamp(exit.startedAtMs),
    finishedAt: timestamp(exit.finishedAtMs),
    containerID: `${idScheme}://${exit.engineId ?? handle.id}`,
  };
}
