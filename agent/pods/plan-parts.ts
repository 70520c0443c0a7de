import type { Pod } from '../../protocol/generated/models.ts';
import type { EnvironmentSources } from './environment.ts';
import type { Allocation, PodRecord } from './pod-record.ts';
import type { Now, PodState } from './pod-state.ts';
import type { NodeLimits } from './resource-limits.ts';
import type { Step, Target } from './steps.ts';

/** What planning takes and gives; see plan.ts. */
export interface PlanInput {
  pod: Pod | undefined;
  state: PodState;
  now: Now;
  context: PlanContext;
}

export interface PlanContext {
  /** Everything but the pod's addresses, which come from its sandbox. */
  sources: Omit<EnvironmentSources, 'podIp' | 'podIps'>;
  /** Host name of the node, for pods on its network. */
  nodeHostname: string;
  /** What the pod's volumes are made of (PodVolumes.inputs). */
  volumeInputs: (pod: Pod) => string;
  /** The files that a device (`kind/name`) has now. */
  deviceNodes?: (key: string) => string | undefined;
  /** Processes and threads that one pod may have; undefined: no limit. */
  podPidsMax?: number;
  /** Why the node cannot give the pod what it asks for now; undefined when it can. Absent where nobody else is. */
  refuseResize?: (pod: Pod) => Required<Reason> | undefined;
  /** Whether the driver pulls images. */
  pullsImages: (image: string) => boolean;
  /** Monotonic; until when at the latest a pod that is deleted goes on because what follows it is not here yet. */
  awaitsImagesUntilMs?: (pod: Pod) => number | undefined;
}

export interface Reason {
  reason: string;
  message?: string;
}

/** What is to be done about one part of the pod. */
export interface PartPlan {
  steps: Step[];
  /** Why the container does not run yet, or the sandbox is not there. */
  waiting?: Reason;
  /** The container is stopped in order to be started anew. */
  replace?: boolean;
  /** Something worth showing that no container's state shows. */
  notice?: Reason;
  /** Monotonic; when to plan again though nothing happened. */
  wakeAtMs?: number;
}

export interface Plan {
  steps: Step[];
  /** Steps under way that are no longer wanted. */
  abandon: Target[];
  /** By container. */
  waiting: Record<string, Reason>;
  replace: string[];
  /** Why there is no sandbox. */
  sandboxFailure?: Reason;
  notice?: Reason;
  /** What the node grants the pod from now on. */
  allocation?: Allocation;
  /** Why it does not grant what is asked. */
  resizePending?: Required<Reason>;
  /** Nothing runs: everything is to begin anew. */
  restartAll?: boolean;
  /** The node puts an end to the pod. */
  failed?: Required<Reason>;
  wakeAtMs?: number;
  /** Nothing is left of a pod being torn down. */
  removed: boolean;
}

export function nodeLimits({ sources, podPidsMax }: PlanContext): NodeLimits {
  return { memoryBytes: sources.allocatable.memoryBytes, podPidsMax };
}

/** Sticky through the record: a pod that is named again after its teardown began is torn down all the same. */
export function isTerminating(pod: Pod | undefined, record: PodRecord): boolean {
  return record.terminating || !pod || pod.metadata?.deletionTimestamp !== undefined;
}

export function emptyPlan(): Plan {
  return { steps: [], abandon: [], waiting: {}, replace: [], removed: false };
}

export function merge(into: Plan, part: PartPlan, container?: string): void {
  into.steps.push(...part.steps);
  if (container !== undefined && part.waiting) into.waiting[container] = part.waiting;
  if (container !== undefined && part.replace) into.replace.push(container);
  if (part.notice) into.notice = part.notice;
  const wakeAtMs = earliest(into.wakeAtMs, part.wakeAtMs);
  if (wakeAtMs !== undefined) into.wakeAtMs = wakeAtMs;
}

export function earliest(...times: (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}
