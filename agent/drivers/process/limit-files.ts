import { join } from 'node:path';
import type { ResourceLimits } from '../driver.ts';
import { tryWrite } from './group-files.ts';

/** Where an agent's groups are. */
export interface Hierarchies {
  /** Where membership is read. */
  tracking: string;
  /** By controller. */
  version1: ReadonlyMap<string, string>;
  unified: { folder: string; controllers: readonly string[] } | undefined;
  /** The agent's folder below each mount of version 1, whether it is there or not. */
  mounted: readonly string[];
  /** Path of the agent's folder as seen from the mount that engines go by. */
  parent: string;
}

export const wantedControllers = ['cpu', 'memory', 'pids'];

export function passControllersOn(folder: string): void {
  for (const controller of wantedControllers)
    tryWrite(join(folder, 'cgroup.subtree_control'), `+${controller}`);
}

export type PathIn = (path: string) => string;

export function limitFiles(hierarchies: Hierarchies, limits: ResourceLimits): [PathIn, string][] {
  const cpu = hierarchies.version1.get('cpu');
  const memory = hierarchies.version1.get('memory');
  const inFolder =
    (folder: string, file: string): PathIn =>
    (path) =>
      join(folder, path, file);
  const folder2 = hierarchies.unified?.folder;
  const writes: [PathIn, string][] = [];
  if (cpu !== undefined)
    for (const [file, value] of cpuLimitsVersion1(limits)) writes.push([inFolder(cpu, file), value]);
  else if (folder2 !== undefined)
    for (const [file, value] of cpuLimitsVersion2(limits)) writes.push([inFolder(folder2, file), value]);
  const pids = hierarchies.version1.get('pids') ?? folder2;
  if (pids !== undefined && limits.pidsMax !== undefined)
    writes.push([inFolder(pids, 'pids.max'), String(limits.pidsMax)]);
  if (memory === undefined && folder2 !== undefined && limits.memoryMinBytes !== undefined)
    writes.push([inFolder(folder2, 'memory.min'), String(limits.memoryMinBytes)]);
  const bytes = limits.memoryLimitBytes;
  if (bytes === undefined) return writes;
  if (memory !== undefined) writes.push([inFolder(memory, 'memory.limit_in_bytes'), written(bytes, '-1')]);
  else if (folder2 !== undefined) {
    writes.push([inFolder(folder2, 'memory.max'), written(bytes, 'max')]);
    // A limit that spills to swap would wear the card out instead of ending the container.
    writes.push([inFolder(folder2, 'memory.swap.max'), bytes === unlimited ? 'max' : '0']);
  }
  return writes;
}

/** As an amount: what was limited before is not any more. */
export const unlimited = Number.POSITIVE_INFINITY;

const cpuPeriodMicroseconds = 100_000;
const cpuQuotaMicrosecondsMin = 1_000;

/** Kubernetes' conversion: 1000 thousandths are 1024 shares and one whole period. */
export function cpuLimitsVersion1(limits: ResourceLimits): [string, string][] {
  const quota = quotaMicroseconds(limits);
  const shares = sharesOf(limits);
  return [
    ...(quota === undefined
      ? []
      : ([
          ['cpu.cfs_period_us', String(cpuPeriodMicroseconds)],
          ['cpu.cfs_quota_us', written(quota, '-1')],
        ] as [string, string][])),
    ...(shares === undefined ? [] : ([['cpu.shares', String(shares)]] as [string, string][])),
  ];
}

export function cpuLimitsVersion2(limits: ResourceLimits): [string, string][] {
  const quota = quotaMicroseconds(limits);
  const shares = sharesOf(limits);
  const weight = shares === undefined ? undefined : Math.trunc(1 + ((shares - 2) * 9999) / 262142);
  return [
    ...(quota === undefined
      ? []
      : ([['cpu.max', `${written(quota, 'max')} ${cpuPeriodMicroseconds}`]] as [string, string][])),
    ...(weight === undefined ? [] : ([['cpu.weight', String(weight)]] as [string, string][])),
  ];
}

function quotaMicroseconds({ cpuLimitMillis }: ResourceLimits): number | undefined {
  if (cpuLimitMillis === undefined) return undefined;
  return Math.max(cpuQuotaMicrosecondsMin, Math.round((cpuLimitMillis * cpuPeriodMicroseconds) / 1000));
}

function sharesOf({ cpuRequestMillis }: ResourceLimits): number | undefined {
  if (cpuRequestMillis === undefined) return undefined;
  return Math.min(262144, Math.max(2, Math.round((cpuRequestMillis * 1024) / 1000)));
}

function written(amount: number, none: string): string {
  return amount === unlimited ? none : String(amount);
}
