import type { PluginDefinition } from './plugin.ts';
import { dynamicResources } from './plugins/dynamic-resources.ts';
import { edgeCost } from './plugins/edge-cost.ts';
import { imageLocality } from './plugins/image-locality.ts';
import { interPodAffinity } from './plugins/inter-pod-affinity.ts';
import { nodeAffinity } from './plugins/node-affinity.ts';
import { nodePorts } from './plugins/node-ports.ts';
import { nodeReady } from './plugins/node-ready.ts';
import { nodeRefusal } from './plugins/node-refusal.ts';
import { nodeResources } from './plugins/node-resources.ts';
import { podTopologySpread } from './plugins/pod-topology-spread.ts';
import { sameSite } from './plugins/same-site.ts';
import { taintToleration } from './plugins/taint-toleration.ts';
import { volumeBinding } from './plugins/volume-binding.ts';

/** Every plugin, cheapest and most telling filter first: a pod hears the first reason of each node. */
export const schedulerPlugins: readonly PluginDefinition[] = [
  nodeReady,
  taintToleration,
  nodeAffinity,
  nodePorts,
  nodeRefusal,
  nodeResources,
  volumeBinding,
  dynamicResources,
  podTopologySpread,
  interPodAffinity,
  imageLocality,
  edgeCost,
  sameSite,
];
