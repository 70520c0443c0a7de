import type { HostLoad } from './host-load.ts';
import { amountOf, type Reservation, type Thresholds } from './thresholds.ts';

/** Kubelet's default. */
export const podsMax = 110;
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

/** Less what the owner reserves, and the last of memory and disk, on which pods are evicted. */
export function nodeAllocatable(
  capacity: NodeResources,
  { reserved, thresholds }: { reserved: Reservation; thresholds: Thresholds },
): NodeResources {
  const left = (total: number, kept: number, threshold: number) =>
    Math.max(0, Math.floor(total - kept - Math.min(threshold, total)));
  const { cpuMillis, memoryBytes, ephemeralStorageBytes } = capacity;
  const memoryKept = amountOf(thresholds['memory.available'], memoryBytes);
  const diskKept = amountOf(thresholds['nodefs.available'], ephemeralStorageBytes);
  return {
    ...capacity,
    cpuMillis: left(cpuMillis, reserved.cpuMillis, 0),
    memoryBytes: left(memoryBytes, reserved.memoryBytes, memoryKept),
    ephemeralStorageBytes: left(ephemeralStorageBytes, reserved.ephemeralStorageBytes, diskKept),
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
