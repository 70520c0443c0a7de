import type { NodeState, PodRequest } from './node-state.ts';

/**
 * A scheduler plugin is one file with one `definePlugin` and one line in `scheduler/registry.ts`. Plugins are pure: they
 * see one pod and one node and answer at once.
 */
export interface SchedulerPlugin {
  name: string;
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
