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
    pullsImages: driver.pull !== undefined,
    deviceNodes: devices.nodesOf,
    ...(awaitsImagesUntilMs ? { awaitsImagesUntilMs } : {}),
    sources: {
      configMap: (namespace, name) => desired.entries.get(`ConfigMap/${namespace}/${name}`)?.object,
      secret: (namespace, name) => desired.entries.get(`Secret/${namespace}/${name}`)?.object,
      nodeName: node.name,
      apiServer: node.apiServer,
      hostIp: node.hostIps()[0] ?? '',
      allocatable: node.allocatable(),
    },
  };
}
