import type { NodeState } from './node-state.ts';
import type { PodRequest } from './pod-request.ts';

/**
 * A scheduler plugin is one file with one `definePlugin` and one line in `scheduler/registry.ts`. Plugins are pure:
 * they see one pod and one node and answer at once. What a filter reads of a pod must be part of its shape
 * (`shapeOf` in pod-request.ts), for pods of one shape are taken to fit the same nodes.
 */
export interface SchedulerPlugin {
  name: string;
  /** False for pods that the plugin has nothing to say about; it is then not asked for each node. */
  concerns?: (pod: PodRequest) => boolean;
  /** Why the pod cannot go there, in Kubernetes' words; undefined when it can. */
  filter?: (pod: PodRequest, node: NodeState) => string | undefined;
  /** 0 (worst) to 100 (best). */
  score?: (pod: PodRequest, node: NodeState) => number;
  /** How much the score counts beside the others'; 1 unless said otherwise. */
  weight?: number;
}

export function definePlugin(plugin: SchedulerPlugin): SchedulerPlugin {
  return plugin;
}
