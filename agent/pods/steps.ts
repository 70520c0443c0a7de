import type { Container, Pod } from '../../protocol/generated/models.ts';
import type { WantedDevices } from '../devices/pod-devices.ts';
import type {
  ContainerHandle,
  ContainerSpec,
  PodLimits,
  PullPolicy,
  ResourceLimits,
  SandboxHandle,
  SandboxSpec,
} from '../drivers/driver.ts';
import type { Action } from '../probes/action.ts';
import type { WantedBlock, WantedMount } from '../volumes/pod-volumes.ts';
import type { FileVariable } from './environment-files.ts';
import type { Resources } from './pod-record.ts';

/**
 * Everything a plan can ask for. The steps of one plan do not depend on each other and are taken side by side;
 * order comes from planning again after each has ended. `Step` and `Executors` derive from this one list, so a step
 * without an executor does not compile.
 */
export interface StepDetails {
  createSandbox: { spec: SandboxSpec };
  removeSandbox: { handle: SandboxHandle };
  /** Makes the pod's volumes or brings them up to date; `inputs` tells what they are made of. */
  prepareVolumes: { pod: Pod; inputs: string };
  removeVolumes: { podUid: string };
  pullImage: PullImage;
  /** Creates (unless `created` is there already) and starts. */
  runContainer: {
    /** Without mounts: where volumes are is found out when it is taken. */
    spec: ContainerSpec;
    sandbox: SandboxHandle;
    created: ContainerHandle | undefined;
    mounts: readonly WantedMount[];
    devices?: WantedDevices | undefined;
    /** Volumes that it gets as block devices. */
    blocks?: readonly WantedBlock[];
    /** Variables that `spec` has marks for. */
    files?: readonly FileVariable[];
    /** What `spec` has its limits from. */
    granted: Resources;
    /** What the pod may take as a whole. */
    podLimits: PodLimits;
  };
  /** What must be done before the container counts as running. */
  postStart: { handle: ContainerHandle; hook: Hook };
  stopContainer: StopContainer;
  /** Changes what a running container may take. */
  resizeContainer: {
    handle: ContainerHandle;
    resources: Resources;
    limits: ResourceLimits;
    sandbox: SandboxHandle | undefined;
    podLimits: PodLimits;
    /** It may use more memory already than it is to have. */
    lowersMemory: boolean;
  };
  removeContainer: { handle: ContainerHandle };
  /** Of a pod that has ended: it gives back its address and ports, its logs stay. */
  stopSandbox: { handle: SandboxHandle };
}

export interface PullImage {
  container: string;
  image: string;
  policy: PullPolicy;
  podUid: string;
  /** The namespace of `secrets`, which are those that the pod pulls with. */
  namespace: string;
  secrets: readonly string[];
}

export interface StopContainer {
  handle: ContainerHandle;
  /** As it is wanted; tells where its last word is. */
  container?: Container;
  /** With what the hook takes; whoever waited for others to stop first has less than the pod. */
  graceMs: number;
  preStop?: Hook;
  /** Of the event that tells of it, where it is not the usual one. */
  message?: string;
  /** The whole pod ends, and has this long for it. */
  ending?: { graceMs: number };
}

/** A lifecycle hook, and where its pod is reached. */
export interface Hook {
  action: Action;
  podIp: string;
  sharesHost: boolean;
}

export type StepType = keyof StepDetails;
export type Step = { [Type in StepType]: { type: Type } & StepDetails[Type] }[StepType];
export type Executors<Outcome> = {
  [Type in StepType]: (step: StepDetails[Type], signal: AbortSignal) => Promise<Outcome>;
};

/** What a step works on; there is never more than one step under way for one target (but a stop may be hurried). */
export type Target = string;

export function targetOf(step: Step): Target {
  switch (step.type) {
    case 'createSandbox':
      return sandboxTarget;
    case 'removeSandbox':
      return `sandbox/${step.handle.id}`;
    case 'prepareVolumes':
      return volumesTarget(step.inputs);
    case 'removeVolumes':
      return volumesTarget('');
    case 'pullImage':
      return imageTarget(step.container, step.image);
    case 'runContainer':
      return containerTarget(step.spec.container);
    case 'stopContainer':
      return containerTarget(step.handle.container);
    case 'postStart':
      return hookTarget(step.handle.container);
    case 'resizeContainer':
      return resizeTarget(step.handle.container);
    case 'stopSandbox':
      return sandboxTarget;
    case 'removeContainer':
      return `remove/${step.handle.container}/${step.handle.attempt}`;
  }
}

export const sandboxTarget: Target = 'sandbox';

const volumesPrefix = 'volumes/';

/** A failure for some inputs says nothing about others. */
export function volumesTarget(inputs: string): Target {
  return volumesPrefix + inputs;
}

export function isVolumesTarget(target: Target): boolean {
  return target.startsWith(volumesPrefix);
}

export function imageTarget(container: string, image: string): Target {
  return `image/${container}/${image}`;
}

export function isImageTarget(target: Target): boolean {
  return target.startsWith('image/');
}

export function hookTarget(container: string): Target {
  return `hook/${container}`;
}

export function resizeTarget(container: string): Target {
  return `resize/${container}`;
}

export function containerTarget(container: string): Target {
  return `container/${container}`;
}
