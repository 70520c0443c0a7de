import type { HostLoad } from './host-load.ts';

/** Kubelet's default. */
export const podsMax = 110;
/** What kubelet's hard eviction thresholds keep back, so that pods cannot take the last of it. */
const memoryKeptBytes = 100 * 2 ** 20;
const memoryKeptFractionMax = 0.1;
const diskKeptFraction = 0.1;

export interface NodeResources {
  cpuMillis: number;
  memoryBytes: number;
  ephemeralStorageBytes: number;
  pods: number;
}

export function nodeCapacity(load: HostLoad, cpuCount: number): NodeResources {
  return {
    cpuMillis: Math.round(Math.min(cpuCount, load.cpuLimit ?? cpuCount) * 1000),
    memoryBytes: load.memoryTotalBytes,
    ephemeralStorageBytes: load.disk?.totalBytes ?? 0,
    pods: podsMax,
  };
}

export function nodeAllocatable(capacity: NodeResources): NodeResources {
  const keptBytes = Math.min(memoryKeptBytes, capacity.memoryBytes * memoryKeptFractionMax);
  return {
    ...capacity,
    memoryBytes: Math.floor(capacity.memoryBytes - keptBytes),
    ephemeralStorageBytes: Math.floor(capacity.ephemeralStorageBytes * (1 - diskKeptFraction)),
  };
}

/** As Kubernetes writes them: `4` or `1500m`, `7995396Ki`. */
export function resourceQuantities(resources: NodeResources): Record<string, string> {
  const { cpuMillis, memoryBytes, ephemeralStorageBytes, pods } = resources;
  return {
    cpu: cpuMillis % 1000 === 0 ? String(cpuMillis / 1000) : `${cpuMillis}m`,
    memory: `${Math.floor(memoryBytes / 1024)}Ki`,
    'ephemeral-storage': `${Math.floor(ephemeralStorageBytes / 1024)}Ki`,
    pods: String(pods),
  };
}
