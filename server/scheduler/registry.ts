import type { SchedulerPlugin } from './plugin.ts';
import { nodeAffinity } from './plugins/node-affinity.ts';
import { nodePorts } from './plugins/node-ports.ts';
import { nodeReady } from './plugins/node-ready.ts';
import { nodeRefusal } from './plugins/node-refusal.ts';
import { nodeResources } from './plugins/node-resources.ts';
import { taintToleration } from './plugins/taint-toleration.ts';

/** Every plugin, cheapest and most telling filter first: a pod hears the first reason of each node. */
export const schedulerPlugins: readonly SchedulerPlugin[] = [
  nodeReady,
  taintToleration,
  nodeAffinity,
  nodePorts,
  nodeRefusal,
  nodeResources,
];
