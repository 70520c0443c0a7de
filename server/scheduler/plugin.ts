import type { Cache } from '../cache/informer.ts';
import type { Registry } from '../registry/registry.ts';
import type { Fleet } from './fleet.ts';
import type { NodeState } from './node-state.ts';
import type { PodRequest } from './pod-request.ts';

/**
 * A scheduler plugin is one file with one `definePlugin` and one line in `scheduler/registry.ts`. It looks at a pod once
 * and says what it has to say of each node: judges are pure and answer at once, for whatever the fleet holds then. What
 * a judge reads of a pod must be part of its shape (`shapeOf` in pod-request.ts), for pods of one shape are taken to fit
 * the same nodes.
 */
export interface PluginDefinition {
  /** Kubernetes' name of it, where it has one; profiles go by it. */
  name: string;
  /** How much the score counts beside the others'; 1 unless said otherwise. */
  weight?: number;
  open(context: PluginContext): SchedulerPlugin;
}

export interface PluginContext {
  /** All nodes and what is placed on them, live. */
  fleet: Fleet;
  /** Must have synced before the first pod is judged. */
  cache: Cache;
  registry: Registry;
  /** Has waiting pods tried again: something outside the fleet has changed that may help those that `mayHelp` names. */
  retry: (mayHelp: (waiting: PodRequest) => boolean) => void;
}

export interface SchedulerPlugin {
  /** Undefined when it has nothing to say of the pod. Called once for each attempt to place it. */
  judge(pod: PodRequest): Judge | undefined;
  /** Whether a waiting pod may fit on any node now that `other` was placed on, or went from, some node. */
  helpedBy?(waiting: PodRequest, other: PodRequest, what: 'placed' | 'gone'): boolean;
  /**
   * What must be done once the node is chosen and before the pod is bound; what it throws sends the pod back to the
   * queue.
   */
  beforeBinding?(pod: PodRequest, node: NodeState, signal: AbortSignal): Promise<void>;
}

export interface Judge {
  /** When no other node can do, so that a fleet need not be searched for it. */
  onlyNodes?: readonly string[];
  /** Why the pod cannot go there, in Kubernetes' words; undefined when it can. */
  filter?(node: NodeState): string | undefined;
  /** Less of other pods on the node might cure a refusal of this filter. */
  yieldsToPreemption?: boolean;
  /** 0 (worst) to 100 (best). */
  score?(node: NodeState): number;
}

export function definePlugin(definition: PluginDefinition): PluginDefinition {
  return definition;
}

/** A plugin whose judges need nothing but the pod. */
export function pureJudge(judge: SchedulerPlugin['judge']): PluginDefinition['open'] {
  return () => ({ judge });
}
