import type { Container, EphemeralContainer, Pod } from '../../protocol/generated/models.ts';
import { wantedDevices } from '../devices/pod-devices.ts';
import type { ContainerHandle, ContainerSpec, PullPolicy } from '../drivers/driver.ts';
import { isUp, probeOf } from './container-health.ts';
import { resourcesOf } from './container-resources.ts';
import {
  type ContainerView,
  isSidecar,
  restartPolicyOf,
  restarts,
  retriesInit,
  viewContainer,
} from './container-view.ts';
import { resolveContainer } from './environment.ts';
import { imageVolumesOf } from './image-volumes.ts';
import { hookOf, sharesHost, stopOf } from './plan-ending.ts';
import { nodeLimits, type PartPlan, type PlanInput, type Reason } from './plan-parts.ts';
import { graceSecondsOf } from './plan-sandbox.ts';
import { hostsFile, podHostname, resolverFile } from './pod-names.ts';
import type { ContainerRecord } from './pod-record.ts';
import type { Failure, Now, PodState } from './pod-state.ts';
import { planResize } from './resize.ts';
import { podLimits, resourceLimits } from './resource-limits.ts';
import { securityOf } from './security.ts';
import { containerTarget, hookTarget, imageTarget, type PullImage } from './steps.ts';
import { terminationMessagePathDefault } from './termination-message.ts';
import { unenforced } from './unsupported.ts';

export type ContainerRole = 'init' | 'main' | 'ephemeral';
type RunInput = PlanInput & { pod: Pod };

/**
 * An error is shown as itself for this long, then as what is done about it (`ImagePullBackOff`,
 * `CrashLoopBackOff`).
 */
export const firstNoticeMs = 2_000;

/** One container whose turn it is: init containers are only asked for until they have succeeded. */
export function planContainer(input: RunInput, container: Container, role: ContainerRole): PartPlan {
  const { pod, state } = input;
  if (state.underWay[containerTarget(container.name)]) return { steps: [] };
  const view = viewContainer(state, container.name);
  switch (view.is) {
    case 'absent':
      return planStart(input, container, view);
    case 'created':
      return planStart(input, container, view);
    case 'unseen':
      return { steps: [] };
    case 'running':
      return view.record.image === (container.image ?? '')
        ? planRunning(input, container, view)
        : planReplace(input, container, view);
    case 'exited': {
      if (role === 'ephemeral') return { steps: [] };
      const policy = restartPolicyOf(pod.spec);
      const goesOn = role === 'main' || isSidecar(container);
      const starts = goesOn ? restarts(view, container, policy) : retriesInit(view, container, policy);
      return starts ? planRestart(input, container, view) : { steps: [] };
    }
  }
}

/** One that is not well is stopped; one that has just come up has its hook taken. */
function planRunning(
  input: RunInput,
  container: Container,
  { record }: Extract<ContainerView, { is: 'running' }>,
): PartPlan {
  const { pod, state, now } = input;
  const { name } = container;
  const doom = state.doomed[name];
  if (doom) {
    const own = doom.kind === 'postStart' ? undefined : probeOf(container, doom.kind);
    const failure = state.failures[containerTarget(name)];
    if (failure && failure.retryAtMs > now.monotonicMs) return { steps: [], wakeAtMs: failure.retryAtMs };
    const graceSeconds = own?.terminationGracePeriodSeconds ?? graceSecondsOf(pod);
    const message =
      doom.kind === 'postStart'
        ? 'FailedPostStartHook'
        : `Container ${name} failed ${doom.kind} probe, will be restarted`;
    return {
      steps: [{ type: 'stopContainer', message, ...stopOf(pod, state, record, graceSeconds * 1000) }],
    };
  }
  const moved = movedDevice(record, input);
  if (moved !== undefined) {
    const message = `Device ${moved} has other files now, container ${name} will be restarted`;
    const stop = stopOf(pod, state, record, graceSecondsOf(pod) * 1000);
    return { steps: [{ type: 'stopContainer', message, ...stop }], replace: true };
  }
  const resize = planResize(input, container, record);
  if (resize) return resize;
  if (isUp(record, container) || state.underWay[hookTarget(name)]) return { steps: [] };
  const hook = hookOf('postStart', { pod, container, state });
  return hook ? { steps: [{ type: 'postStart', handle: record.handle, hook }] } : { steps: [] };
}

/** One that was plugged in anew under another name: what the container has of it leads nowhere. */
function movedDevice({ devices = {} }: ContainerRecord, { context }: RunInput): string | undefined {
  const { deviceNodes } = context;
  if (!deviceNodes) return undefined;
  return Object.keys(devices).find((key) => {
    const nodes = deviceNodes(key);
    return nodes !== undefined && nodes !== devices[key];
  });
}

/** The new image is fetched before the old container is stopped. */
function planReplace(
  input: RunInput,
  container: Container,
  { record }: Extract<ContainerView, { is: 'running' }>,
): PartPlan {
  const { waiting, ...image } = planImage(input, container);
  if (!image.present) {
    if (!waiting) return image;
    return {
      ...image,
      notice: { ...waiting, message: `container ${container.name}: ${waiting.message ?? ''}` },
    };
  }
  const { pod, state } = input;
  const message = `Container ${container.name} definition changed, will be restarted`;
  const stop = stopOf(pod, state, record, graceSecondsOf(pod) * 1000);
  return { steps: [{ type: 'stopContainer', message, ...stop }], replace: true };
}

function planRestart(
  input: RunInput,
  container: Container,
  view: Extract<ContainerView, { is: 'exited' }>,
): PartPlan {
  const { state, now, pod } = input;
  const { record } = view;
  const failure = state.failures[containerTarget(container.name)];
  const atOnce = record.replace || record.image !== (container.image ?? '') || view.ofOldSandbox;
  const backoffAtMs = atOnce ? 0 : (state.restartAtMs[container.name] ?? 0);
  const startAtMs = Math.max(backoffAtMs, failure?.retryAtMs ?? 0);
  if (startAtMs <= now.monotonicMs) return planStart(input, container, view);
  if (failure && isFirstNotice(failure, now)) {
    const waiting = { reason: failure.code, message: failure.message };
    return { steps: [], waiting, wakeAtMs: Math.min(startAtMs, failure.failedAtMs + firstNoticeMs) };
  }
  const backoffSeconds = Math.round((failure ? startAtMs - failure.failedAtMs : record.backoffMs) / 1000);
  return { steps: [], waiting: crashLoop(pod, container, backoffSeconds), wakeAtMs: startAtMs };
}

/** Worded as kubelet does; people and tools search for it. */
function crashLoop({ metadata }: Pod, { name }: Container, seconds: number): Reason {
  const minutes = Math.floor(seconds / 60);
  const delay = minutes === 0 ? `${seconds}s` : `${minutes}m${seconds % 60}s`;
  const pod = `${metadata?.name ?? ''}_${metadata?.namespace ?? ''}(${metadata?.uid ?? ''})`;
  return {
    reason: 'CrashLoopBackOff',
    message: `back-off ${delay} restarting failed container=${name} pod=${pod}`,
  };
}

function planStart(input: RunInput, container: Container, view: ContainerView): PartPlan {
  const { pod, state, now, context } = input;
  const { sandbox, podIps } = state.record;
  if (!sandbox) return { steps: [] };
  for (const one of [container, ...imageVolumesOf(pod, container)]) {
    const image = planImage(input, one);
    if (!image.present) return image;
  }
  const sources = { ...context.sources, podIp: podIps[0] ?? '', podIps };
  const own = { hostname: podHostname(pod, context.nodeHostname), sharesHost: sharesHost(pod, state) };
  const resolved = resolveContainer(pod, container, own, sources);
  if (resolved.error !== undefined) {
    return { steps: [], waiting: { reason: 'CreateContainerConfigError', message: resolved.error } };
  }
  const failure = state.failures[containerTarget(container.name)];
  if (failure && failure.retryAtMs > now.monotonicMs) {
    const waiting = { reason: failure.code, message: failure.message };
    return { steps: [], waiting, wakeAtMs: failure.retryAtMs };
  }
  const target = targetOfDebugger(pod, container, state);
  if (target?.problem !== undefined)
    return { steps: [], waiting: { reason: 'CreateContainerError', message: target.problem } };
  const created = view.is === 'created' ? view.record.handle : undefined;
  const attempt = created?.attempt ?? (view.record ? view.record.handle.attempt + 1 : 0);
  const spec: ContainerSpec = {
    podUid: pod.metadata?.uid ?? '',
    namespace: pod.metadata?.namespace ?? '',
    pod: pod.metadata?.name ?? '',
    container: container.name,
    attempt,
    image: container.image ?? '',
    command: resolved.command,
    args: resolved.args,
    workingDir: container.workingDir,
    environment: resolved.environment,
    mounts: [],
    ...(resolved.imageMounts.length > 0 ? { imageMounts: resolved.imageMounts } : {}),
    security: securityOf(pod, container),
    resources: resourceLimits(pod, container, nodeLimits(context)),
    tty: container.tty ?? false,
    stdin: container.stdin ?? false,
    ...extras(pod, container, state),
    ...(target ? { pids: target.handle } : {}),
  };
  const devices = wantedDevices(pod, container, state.record.reserved.devices);
  const { mounts, files } = resolved;
  const given = {
    granted: resourcesOf(container, pod.spec),
    podLimits: podLimits(pod, nodeLimits(context)),
  };
  const step = { type: 'runContainer' as const, spec, sandbox, created, mounts, ...given };
  const blocks = (container.volumeDevices ?? []).map(({ name: volume, devicePath }) => ({
    volume,
    devicePath,
  }));
  const asked = {
    ...(devices ? { devices } : {}),
    ...(files.length > 0 ? { files } : {}),
    ...(blocks.length > 0 ? { blocks } : {}),
  };
  return { steps: [{ ...step, ...asked }] };
}

/** The container whose processes an ephemeral one is to see. It comes when the pod has long been admitted. */
function targetOfDebugger(
  { spec }: Pod,
  container: EphemeralContainer,
  state: PodState,
): { handle: ContainerHandle; problem?: undefined } | { problem: string } | undefined {
  const isEphemeral = spec?.ephemeralContainers?.some(({ name }) => name === container.name);
  const problem = isEphemeral && spec ? unenforced(spec, [container], state.record.runtime) : undefined;
  if (problem) return { problem };
  const name = container.targetContainerName;
  if (!name) return undefined;
  const view = viewContainer(state, name);
  if (view.is === 'running') return { handle: view.record.handle };
  return { problem: `target container "${name}" is not running` };
}

function extras(pod: Pod, container: Container, { record }: PodState): Partial<ContainerSpec> {
  const { shareProcessNamespace, hostPID, hostIPC } = pod.spec ?? {};
  const stopSignal = container.lifecycle?.stopSignal;
  const hosts = hostsFile(pod, record.podIps);
  const resolver = resolverFile(pod);
  return {
    terminationMessagePath: container.terminationMessagePath ?? terminationMessagePathDefault,
    ...(stopSignal === undefined ? {} : { stopSignal }),
    ...(hostPID ? { pids: 'host' } : shareProcessNamespace ? { pids: 'pod' } : {}),
    ...(hostIPC ? { hostIpc: true } : {}),
    ...(hosts ? { hosts } : {}),
    ...(resolver ? { resolver } : {}),
  };
}

/** Whether the container's image is there, and what to do when not. */
export function planImage(input: RunInput, container: Container): PartPlan & { present: boolean } {
  const { state, now, context } = input;
  const image = container.image ?? '';
  if (!context.pullsImages(image) || state.images[container.name]?.image === image)
    return { present: true, steps: [] };
  const target = imageTarget(container.name, image);
  const failure = state.failures[target];
  const waiting = failure && pullProblem(failure, image, now);
  const shown = waiting ? { waiting } : {};
  if (state.underWay[target]) return { present: false, steps: [], ...shown };
  if (failure && failure.retryAtMs > now.monotonicMs) {
    const wakeAtMs = isFirstNotice(failure, now) ? failure.failedAtMs + firstNoticeMs : failure.retryAtMs;
    return { present: false, steps: [], ...shown, wakeAtMs };
  }
  const policy = pullPolicy(container, state.record.containers[container.name]?.image === image);
  return {
    present: false,
    steps: [{ type: 'pullImage', container: container.name, image, policy, ...pulledWith(input.pod) }],
    ...shown,
  };
}

function pulledWith({ metadata, spec }: Pod): Pick<PullImage, 'podUid' | 'namespace' | 'secrets'> {
  const secrets = (spec?.imagePullSecrets ?? []).flatMap(({ name }) => (name ? [name] : []));
  return { podUid: metadata?.uid ?? '', namespace: metadata?.namespace ?? '', secrets };
}

function pullProblem(failure: Failure, image: string, now: Now): Reason {
  if (failure.code !== 'ErrImagePull' || isFirstNotice(failure, now)) {
    return { reason: failure.code, message: failure.message };
  }
  return {
    reason: 'ImagePullBackOff',
    message: `Back-off pulling image "${image}": ErrImagePull: ${failure.message}`,
  };
}

/**
 * `Always` asks the registry once per pod and image, not at every restart: a device that starts without a network must be
 * able to start what it has (docs/decisions/0070).
 */
export function pullPolicy(
  { image, imagePullPolicy }: { image?: string; imagePullPolicy?: string },
  ranBefore: boolean,
): PullPolicy {
  const policy = imagePullPolicy || (hasFloatingTag(image ?? '') ? 'Always' : 'IfNotPresent');
  if (policy === 'Never') return 'Never';
  return policy === 'Always' && !ranBefore ? 'Always' : 'IfNotPresent';
}

/** No tag or `latest`, and no digest. */
function hasFloatingTag(image: string): boolean {
  if (image.includes('@')) return false;
  const tag = /:([^/:]+)$/.exec(image)?.[1];
  return tag === undefined || tag === 'latest';
}

function isFirstNotice({ count, failedAtMs }: Failure, now: Now): boolean {
  return count === 1 && now.monotonicMs < failedAtMs + firstNoticeMs;
}
