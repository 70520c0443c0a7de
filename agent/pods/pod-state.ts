import { backoffMs } from '../../lib/backoff.ts';
import type { ContainerHandle, ContainerState, SandboxHandle, SandboxState } from '../drivers/driver.ts';
import type { FoundImage } from '../images/fetch-image.ts';
import type { ProbeVerdict } from '../probes/prober.ts';
import { isImageVolume } from './image-volumes.ts';
import type { ContainerExit, ContainerRecord, PodRecord, Resources } from './pod-record.ts';
import {
  containerTarget,
  imageTarget,
  isImageTarget,
  isVolumesTarget,
  resizeTarget,
  type Step,
  sandboxTarget,
  type Target,
  targetOf,
} from './steps.ts';

/**
 * All a worker knows of its pod: the durable record and what only lives in memory. Changed by `reduce` alone, one
 * event at a time.
 */
export interface PodState {
  readonly record: PodRecord;
  /** By container: what its current handle was last seen to be; absent until seen. */
  readonly observed: Readonly<Record<string, ContainerState>>;
  readonly sandbox: SandboxState | undefined;
  /** What the pod's volumes were last made of, by this agent; undefined before. */
  readonly volumes: string | undefined;
  /** By container: the image that is known to be present. */
  readonly images: Readonly<Record<string, { image: string; imageId: string }>>;
  /** By container: monotonic time before which a restart has to wait. */
  readonly restartAtMs: Readonly<Record<string, number>>;
  readonly failures: Readonly<Record<Target, Failure>>;
  /** Steps that were begun and have not ended. */
  readonly underWay: Readonly<Record<Target, Step>>;
  /** By container: why its present attempt must be stopped. */
  readonly doomed: Readonly<Record<string, Doom>>;
  /** Monotonic: since when the pod as a whole is being stopped. */
  readonly endingSinceMs?: number;
  /** Monotonic: since when this life of the agent knows the pod, and for how long earlier ones did. */
  readonly sinceMs: number;
  readonly activeBeforeMs: number;
}

export interface Doom {
  kind: 'liveness' | 'startup' | 'postStart';
}

export interface Failure {
  /** A driver's error code, which is a container's waiting reason where Kubernetes has one. */
  code: string;
  message: string;
  /** In a row. */
  count: number;
  /** Monotonic. */
  failedAtMs: number;
  retryAtMs: number;
}

export interface Now {
  /** Since 1970; may jump, so it only dates things. */
  wallMs: number;
  /** For every delay. */
  monotonicMs: number;
}

export type PodEvent =
  | { type: 'begun'; target: Target; step: Step }
  | { type: 'failed'; step: Step; code: string; message: string; created?: ContainerHandle }
  /** Given up before its end because it was no longer wanted. */
  | { type: 'abandoned'; step: Step }
  | { type: 'sandboxCreated'; handle: SandboxHandle; state: SandboxState }
  | { type: 'sandboxRemoved'; handle: SandboxHandle }
  | { type: 'volumesPrepared'; inputs: string }
  | { type: 'volumesRemoved' }
  | ({ type: 'imagePulled'; container: string; image: string } & FoundImage)
  | {
      type: 'containerStarted';
      handle: ContainerHandle;
      image: string;
      granted: Resources;
      state: ContainerState | undefined;
      /** The devices it was given, and the files that they had. */
      bound?: Readonly<Record<string, string>>;
      /** The devices by what it asked for. */
      uses?: Readonly<Record<string, readonly string[]>>;
    }
  | { type: 'containerResized'; handle: ContainerHandle; resources: Resources }
  /** Something was plugged in or out: what failed for want of a device is tried at once. */
  | { type: 'devicesChanged' }
  /** Images have come that no pull has fetched. */
  | { type: 'imagesImported' }
  | { type: 'containerStopped'; handle: ContainerHandle; state: ContainerState; hookProblem?: string }
  | { type: 'hookEnded'; step: Extract<Step, { type: 'postStart' }>; problem?: string }
  | ({ type: 'probed' } & ProbeVerdict)
  | { type: 'sandboxStopped' }
  | { type: 'containerRemoved'; handle: ContainerHandle }
  /** Something of the pod was found in the runtime that the record did not know. */
  | { type: 'adopted'; record: PodRecord }
  | { type: 'observed'; sandbox?: SandboxState; containers: Readonly<Record<string, ContainerState>> };

/**
 * Crash back-off as kubelet's: the first restart is immediate, then 10 s doubling to 5 min, forgotten after 10 min
 * of running.
 */
export const restartBackoff = { baseMs: 10_000, capMs: 300_000 };
export const restartForgottenAfterMs = 600_000;
/** Failing steps are tried again after 10 s doubling to 5 min. */
export const stepBackoff = { baseMs: 10_000, capMs: 300_000 };
/** What must succeed for a teardown to end is tried more eagerly. */
export const teardownBackoff = { baseMs: 1_000, capMs: 60_000 };

export function initialState(record: PodRecord, now: Now): PodState {
  const restartAtMs: Record<string, number> = {};
  for (const [name, container] of Object.entries(record.containers)) {
    if (!container.exit) continue;
    const elapsedMs = now.wallMs - container.exit.finishedAtMs;
    const remainingMs = Math.min(Math.max(container.backoffMs - elapsedMs, 0), container.backoffMs);
    restartAtMs[name] = now.monotonicMs + remainingMs;
  }
  return {
    record,
    observed: {},
    sandbox: undefined,
    volumes: undefined,
    images: {},
    restartAtMs,
    failures: {},
    underWay: {},
    doomed: {},
    sinceMs: now.monotonicMs,
    activeBeforeMs: record.activeMs ?? 0,
  };
}

export function reduce(state: PodState, event: PodEvent, now: Now): PodState {
  switch (event.type) {
    case 'begun':
      return onBegun(state, event, now);
    case 'failed':
      return onFailed(state, event, now);
    case 'abandoned':
      return { ...state, underWay: without(state.underWay, targetOf(event.step)) };
    case 'sandboxCreated':
      return onSandboxCreated(state, event);
    case 'sandboxRemoved':
      return onSandboxRemoved(state, event.handle);
    case 'volumesPrepared':
      return { ...volumesSettled(state), volumes: event.inputs };
    case 'volumesRemoved':
      return { ...volumesSettled(state), record: { ...state.record, volumes: false } };
    case 'imagePulled':
      return {
        ...settled(state, imageTarget(event.container, event.image)),
        images: { ...state.images, [event.container]: { image: event.image, imageId: event.imageId } },
      };
    case 'imagesImported':
      return { ...state, failures: failuresBesideImages(state) };
    case 'containerStarted':
      return onContainerStarted(state, event, now);
    case 'containerStopped':
      return onContainerStopped(state, event, now);
    case 'containerResized':
      return onContainerResized(state, event);
    case 'hookEnded':
      return onHookEnded(state, event);
    case 'probed':
      return onProbed(state, event);
    case 'devicesChanged':
      return onDevicesChanged(state);
    case 'sandboxStopped':
      return {
        ...settled(state, sandboxTarget),
        sandbox: { state: 'stopped' },
        record: { ...state.record, sandboxStopped: true },
      };
    case 'containerRemoved':
      return onContainerRemoved(state, event.handle);
    case 'adopted':
      return { ...state, record: event.record, observed: {}, sandbox: undefined };
    case 'observed':
      return onObserved(state, event, now);
  }
}

function onBegun(state: PodState, event: Extract<PodEvent, { type: 'begun' }>, now: Now): PodState {
  const begun = { ...state, underWay: { ...state.underWay, [event.target]: event.step } };
  const ends = event.step.type === 'stopContainer' && event.step.ending !== undefined;
  return ends && state.endingSinceMs === undefined ? { ...begun, endingSinceMs: now.monotonicMs } : begun;
}

function onHookEnded(state: PodState, { step, problem }: Extract<PodEvent, { type: 'hookEnded' }>): PodState {
  const next = settled(state, targetOf(step));
  const container = next.record.containers[step.handle.container];
  if (!container || container.exit || !sameAttempt(container.handle, step.handle)) return next;
  if (problem === undefined)
    return withContainer(next, step.handle.container, { ...container, postStarted: true });
  return doom(next, step.handle.container, container, { kind: 'postStart' });
}

function onProbed(state: PodState, event: Extract<PodEvent, { type: 'probed' }>): PodState {
  const { container: name, kind, healthy } = event;
  const container = state.record.containers[name];
  if (!container || container.exit || container.handle.attempt !== event.attempt) return state;
  if (kind === 'readiness') return withContainer(state, name, { ...container, ready: healthy });
  if (!healthy) return doom(state, name, container, { kind });
  return kind === 'startup' ? withContainer(state, name, { ...container, started: true }) : state;
}

function doom(state: PodState, name: string, container: ContainerRecord, why: Doom): PodState {
  const marked = withContainer(state, name, { ...container, unwell: true, ready: false });
  return { ...marked, doomed: { ...state.doomed, [name]: why } };
}

/** A step on `target` has ended well: nothing is under way and its failures are forgotten. */
function settled(state: PodState, target: Target): PodState {
  return { ...state, underWay: without(state.underWay, target), failures: without(state.failures, target) };
}

function failuresBesideImages({ failures }: PodState): PodState['failures'] {
  return Object.fromEntries(Object.entries(failures).filter(([target]) => !isImageTarget(target)));
}

function volumesSettled(state: PodState): PodState {
  const others = <T>(record: Readonly<Record<Target, T>>) =>
    Object.fromEntries(Object.entries(record).filter(([target]) => !isVolumesTarget(target)));
  return { ...state, underWay: others(state.underWay), failures: others(state.failures) };
}

function onFailed(state: PodState, event: Extract<PodEvent, { type: 'failed' }>, now: Now): PodState {
  const target = targetOf(event.step);
  const count = (state.failures[target]?.count ?? 0) + 1;
  const policy = state.record.terminating ? teardownBackoff : stepBackoff;
  const failure: Failure = {
    code: event.code,
    message: event.message,
    count,
    failedAtMs: now.monotonicMs,
    retryAtMs: now.monotonicMs + backoffMs(count, policy),
  };
  const failed: PodState = {
    ...state,
    underWay: without(state.underWay, target),
    failures: { ...state.failures, [target]: failure },
  };
  if (event.step.type !== 'runContainer') return failed;
  // The image may be gone since it was found present: look again before the next try.
  const { container } = event.step.spec;
  const kept = Object.entries(failed.images).filter(([name]) => name !== container && !isImageVolume(name));
  const looked = { ...failed, images: Object.fromEntries(kept) };
  if (!event.created) return looked;
  const started = withAttempt(looked, event.created, event.step.spec.image);
  const exit: ContainerExit = {
    exitCode: 128,
    reason: 'StartError',
    message: event.message,
    startedAtMs: 0,
    finishedAtMs: now.wallMs,
  };
  return withExit(started, event.created.container, exit, now);
}

function onSandboxCreated(state: PodState, event: Extract<PodEvent, { type: 'sandboxCreated' }>): PodState {
  const { record } = state;
  const replaced = record.sandbox && record.sandbox.id !== event.handle.id ? [record.sandbox] : [];
  return {
    ...settled(state, sandboxTarget),
    sandbox: event.state,
    record: {
      ...record,
      sandbox: event.handle,
      sandboxAttempt: record.sandboxAttempt + 1,
      sandboxStopped: false,
      garbageSandboxes: [...record.garbageSandboxes, ...replaced],
      podIps: event.state.state === 'ready' ? event.state.podIps : [],
    },
  };
}

function onSandboxRemoved(state: PodState, handle: SandboxHandle): PodState {
  const { sandbox, ...rest } = state.record;
  const removesCurrent = sandbox?.id === handle.id;
  return {
    ...settled(state, `sandbox/${handle.id}`),
    sandbox: removesCurrent ? undefined : state.sandbox,
    record: {
      ...rest,
      ...(sandbox && !removesCurrent ? { sandbox } : {}),
      garbageSandboxes: rest.garbageSandboxes.filter(({ id }) => id !== handle.id),
    },
  };
}

function onContainerStarted(
  state: PodState,
  event: Extract<PodEvent, { type: 'containerStarted' }>,
  now: Now,
): PodState {
  const name = event.handle.container;
  const begun = withAttempt(settled(state, containerTarget(name)), event.handle, event.image);
  const sized = withResources(begun, event.handle, event.granted);
  const container = sized.record.containers[name];
  const next =
    container && event.bound
      ? withContainer(sized, name, { ...container, devices: event.bound, uses: copied(event.uses) })
      : sized;
  return event.state ? withObserved(next, name, event.state, now) : next;
}

function copied(uses: Readonly<Record<string, readonly string[]>> = {}): Record<string, string[]> {
  return Object.fromEntries(Object.entries(uses).map(([resource, keys]) => [resource, [...keys]]));
}

function onContainerResized(
  state: PodState,
  { handle, resources }: Extract<PodEvent, { type: 'containerResized' }>,
): PodState {
  return withResources(settled(state, resizeTarget(handle.container)), handle, resources);
}

function withResources(state: PodState, handle: ContainerHandle, resources: Resources): PodState {
  const container = state.record.containers[handle.container];
  if (!container || !sameAttempt(container.handle, handle)) return state;
  return withContainer(state, handle.container, { ...container, resources });
}

function onDevicesChanged(state: PodState): PodState {
  const failures = Object.entries(state.failures).filter(
    ([, { code }]) => code !== 'CreateContainerConfigError',
  );
  return { ...state, failures: Object.fromEntries(failures) };
}

function onContainerStopped(
  state: PodState,
  event: Extract<PodEvent, { type: 'containerStopped' }>,
  now: Now,
): PodState {
  const name = event.handle.container;
  const next = settled(state, containerTarget(name));
  if (next.record.containers[name]?.handle.attempt !== event.handle.attempt) return next;
  return withObserved(next, name, event.state, now);
}

function onContainerRemoved(state: PodState, handle: ContainerHandle): PodState {
  const { record } = state;
  const next = settled(state, `remove/${handle.container}/${handle.attempt}`);
  const garbage = record.garbage.filter((other) => !sameAttempt(other, handle));
  const current = record.containers[handle.container];
  let containers = record.containers;
  if (current && sameAttempt(current.handle, handle)) containers = without(containers, handle.container);
  else if (current?.previous && sameAttempt(current.previous.handle, handle)) {
    const { previous: _gone, ...kept } = current;
    containers = { ...containers, [handle.container]: kept };
  }
  return { ...next, record: { ...record, garbage, containers } };
}

function onObserved(state: PodState, event: Extract<PodEvent, { type: 'observed' }>, now: Now): PodState {
  let next = state;
  for (const [name, container] of Object.entries(event.containers)) {
    next = withObserved(next, name, container, now);
  }
  if (!event.sandbox) return next;
  const podIps = event.sandbox.state === 'ready' ? event.sandbox.podIps : next.record.podIps;
  return { ...next, sandbox: event.sandbox, record: { ...next.record, podIps } };
}

/** The record after `handle` became the container's current attempt, which consumes its back-off. */
export function withAttempt(state: PodState, handle: ContainerHandle, image: string): PodState {
  const { record } = state;
  const name = handle.container;
  const old = record.containers[name];
  if (old && sameAttempt(old.handle, handle)) return state;
  const replaces = old !== undefined && old.image !== image;
  const granted = record.allocation?.[name];
  const container: ContainerRecord = {
    handle,
    image,
    imageId: state.images[name]?.imageId ?? '',
    sandboxAttempt: record.sandboxAttempt,
    backoffMs: old === undefined || replaces ? 0 : longerBackoff(old.backoffMs),
    replace: false,
    ...(granted ? { resources: granted } : {}),
    ...(old ? { previous: { handle: old.handle, exit: old.exit ?? lostExit(old) } } : {}),
  };
  return {
    ...state,
    observed: without(state.observed, name),
    doomed: without(state.doomed, name),
    restartAtMs: without(state.restartAtMs, name),
    record: {
      ...record,
      containers: { ...record.containers, [name]: container },
      garbage: old?.previous ? [...record.garbage, old.previous.handle] : record.garbage,
    },
  };
}

function longerBackoff(currentMs: number): number {
  return currentMs === 0 ? restartBackoff.baseMs : Math.min(currentMs * 2, restartBackoff.capMs);
}

function withObserved(state: PodState, name: string, seen: ContainerState, now: Now): PodState {
  const container = state.record.containers[name];
  if (!container) return state;
  const next = { ...state, observed: { ...state.observed, [name]: seen } };
  if (container.exit) return next;
  switch (seen.state) {
    case 'created':
      return next;
    case 'running':
      return withContainer(next, name, withSeen(container, seen));
    case 'exited':
      return withExit(withContainer(next, name, withSeen(container, seen)), name, exitOf(seen), now);
    case 'missing':
      return withExit(next, name, { ...lostExit(container), finishedAtMs: now.wallMs }, now);
  }
}

function withSeen(
  container: ContainerRecord,
  { startedAtMs, imageId, engineId }: Extract<ContainerState, { state: 'running' | 'exited' }>,
): ContainerRecord {
  // What the pull said tells more: it names the registry.
  const known = { ...container, startedAtMs, imageId: container.imageId || imageId };
  return engineId ? { ...known, engineId } : known;
}

function withExit(state: PodState, name: string, exit: ContainerExit, now: Now): PodState {
  const container = state.record.containers[name];
  if (!container) return state;
  // By the wall clock, which may have jumped: at worst the back-off is forgotten once too often.
  const ranMs = exit.finishedAtMs - exit.startedAtMs;
  const forget = exit.startedAtMs > 0 && ranMs > restartForgottenAfterMs;
  const waitMs = forget ? 0 : container.backoffMs;
  const sinceMs = Math.min(Math.max(now.wallMs - exit.finishedAtMs, 0), waitMs);
  return {
    ...withContainer(state, name, { ...container, exit, backoffMs: waitMs }),
    restartAtMs: { ...state.restartAtMs, [name]: now.monotonicMs + waitMs - sinceMs },
  };
}

/** Reasons and codes as kubelet and containerd give them. */
function exitOf(seen: Extract<ContainerState, { state: 'exited' }>): ContainerExit {
  const { startedAtMs, finishedAtMs, engineId } = seen;
  const facts = { startedAtMs, finishedAtMs, ...(engineId ? { engineId } : {}) };
  const exitCode = seen.exitCode ?? (seen.signal === undefined ? 255 : 128 + seen.signal);
  if (seen.exitCode === undefined && seen.signal === undefined) {
    return { exitCode, reason: 'Unknown', ...facts };
  }
  const said = seen.message === undefined ? {} : { message: seen.message };
  const reason = seen.outOfMemory ? 'OOMKilled' : exitCode === 0 ? 'Completed' : 'Error';
  return { exitCode, reason, ...said, ...facts };
}

function lostExit(container: ContainerRecord): ContainerExit {
  const startedAtMs = container.startedAtMs ?? 0;
  return {
    exitCode: 137,
    reason: 'ContainerStatusUnknown',
    message: 'The container could not be located: it was removed behind the agent.',
    startedAtMs,
    finishedAtMs: startedAtMs,
  };
}

function withContainer(state: PodState, name: string, container: ContainerRecord): PodState {
  const containers = { ...state.record.containers, [name]: container };
  return { ...state, record: { ...state.record, containers } };
}

export function sameAttempt(
  one: Pick<ContainerHandle, 'container' | 'attempt'>,
  other: Pick<ContainerHandle, 'container' | 'attempt'>,
): boolean {
  return one.container === other.container && one.attempt === other.attempt;
}

function without<T>(record: Readonly<Record<string, T>>, key: string): Record<string, T> {
  const { [key]: _dropped, ...rest } = record;
  return rest;
}
