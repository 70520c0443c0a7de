import type { Service } from '../../protocol/generated/models.ts';
import type { RuntimeDriver } from '../drivers/driver.ts';
import type { PlanContext } from './plan-parts.ts';
import type { PodRuntimeOptions } from './pod-runtime.ts';

/** What a plan is made from beside the pod, as it is now. */
export function planContext(
  driver: RuntimeDriver,
  { node, desired, volumes, devices, awaitsImagesUntilMs }: PodRuntimeOptions,
  refuse: NonNullable<PlanContext['refuseResize']>,
): PlanContext {
  return {
    nodeHostname: node.hostname,
    ...(node.podPidsMax === undefined ? {} : { podPidsMax: node.podPidsMax }),
    volumeInputs: (pod) => volumes.inputs(pod),
    refuseResize: refuse,
    pullsImages: (image) => driver.pull !== undefined && driver.seesHost?.(image) !== true,
    deviceNodes: devices.nodesOf,
    ...(awaitsImagesUntilMs ? { awaitsImagesUntilMs } : {}),
    sources: {
      configMap: (namespace, name) => desired.entries.get(`ConfigMap/${namespace}/${name}`)?.object,
      secret: (namespace, name) => desired.entries.get(`Secret/${namespace}/${name}`)?.object,
      services: (namespace) => servicesIn(desired, namespace),
      nodeName: node.name,
      apiServer: (uid, how) => node.apiServer(uid, how),
      hostIp: node.hostIps()[0] ?? '',
      allocatable: node.allocatable(),
    },
  };
}

/** By name, so that a container is told the same at each of its starts. */
function servicesIn({ entries }: PodRuntimeOptions['desired'], namespace: string): Service[] {
  const prefix = `Service/${namespace}/`;
  const keys = [...entries.keys()].filter((key) => key.startsWith(prefix)).sort();
  return keys.map((key) => entries.get(key)?.object as Service);
}
