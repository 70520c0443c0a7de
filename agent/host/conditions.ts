import type { NodeReport } from '../../protocol/topics/sync.ts';
import type { HostLoad } from './host-load.ts';
import { amountOf, type EvictionSignal, type Thresholds } from './thresholds.ts';

export type PressureType = 'MemoryPressure' | 'DiskPressure' | 'PIDPressure';

/** By type: when it was last seen, monotonic. */
export type Pressures = Readonly<Partial<Record<PressureType, number>>>;

/** Something of which less is left than its threshold. */
export interface Shortage {
  signal: EvictionSignal;
  available: number;
  threshold: number;
}

const pressureOf: Readonly<Record<EvictionSignal, PressureType>> = {
  'memory.available': 'MemoryPressure',
  'nodefs.available': 'DiskPressure',
  'nodefs.inodesFree': 'DiskPressure',
  'imagefs.available': 'DiskPressure',
  'imagefs.inodesFree': 'DiskPressure',
  'pid.available': 'PIDPressure',
};

/** What is short now. */
export function shortagesOf(load: HostLoad, thresholds: Thresholds): Shortage[] {
  const { disk, imageDisk } = load;
  const observed: [EvictionSignal, available: number, total: number][] = [
    ['memory.available', load.memoryAvailableBytes, load.memoryTotalBytes],
  ];
  if (load.pidsUsed !== undefined)
    observed.push(['pid.available', load.pidsMax - load.pidsUsed, load.pidsMax]);
  for (const [name, space] of [
    ['nodefs', disk],
    ['imagefs', imageDisk],
  ] as const) {
    if (!space) continue;
    observed.push([`${name}.available`, space.availableBytes, space.totalBytes]);
    // Some file systems (btrfs, FAT) have no fixed number of inodes and say 0.
    if (space.totalInodes > 0) observed.push([`${name}.inodesFree`, space.freeInodes, space.totalInodes]);
  }
  return observed.flatMap(([signal, available, total]) => {
    const threshold = Math.floor(amountOf(thresholds[signal], total));
    return available < threshold ? [{ signal, available, threshold }] : [];
  });
}

/** What is under pressure at `nowMs`, or was until lately: within `goneAfterMs`, so that conditions do not flap. */
export function pressuresAt(
  { shortages, diskFails }: { shortages: readonly Shortage[]; diskFails: boolean },
  before: Pressures,
  { nowMs, goneAfterMs }: { nowMs: number; goneAfterMs: number },
): Pressures {
  const seen = new Set(shortages.map(({ signal }) => pressureOf[signal]));
  if (diskFails) seen.add('DiskPressure');
  const pressures: Partial<Record<PressureType, number>> = {};
  for (const type of ['MemoryPressure', 'DiskPressure', 'PIDPressure'] as const) {
    const lastMs = seen.has(type) ? nowMs : before[type];
    if (lastMs !== undefined && nowMs - lastMs < goneAfterMs) pressures[type] = lastMs;
  }
  return pressures;
}

/** What is wrong beside shortages; absent while nothing is. */
export interface NodeProblems {
  /** Why no pod can be run, in words. */
  runtime: string | undefined;
  dataDisk: { reason: string; message: string } | undefined;
  /** Which limits are not enforced, in words. */
  limits: string | undefined;
}

/** Kubelet's reasons and messages, which dashboards and people search for. Whether the node is Ready is the server's word. */
export function nodeConditions(
  pressures: Pressures,
  { runtime, dataDisk, limits }: NodeProblems,
): NodeReport['conditions'] {
  const condition = (
    type: PressureType,
    reasons: { yes: string; no: string },
    messages: { yes: string; no: string },
  ) => {
    const answer = pressures[type] === undefined ? 'no' : 'yes';
    const status = answer === 'yes' ? ('True' as const) : ('False' as const);
    return { type, status, reason: reasons[answer], message: messages[answer] };
  };
  return [
    condition(
      'MemoryPressure',
      { yes: 'KubeletHasInsufficientMemory', no: 'KubeletHasSufficientMemory' },
      { yes: 'kubelet has insufficient memory available', no: 'kubelet has sufficient memory available' },
    ),
    condition(
      'DiskPressure',
      { yes: 'KubeletHasDiskPressure', no: 'KubeletHasNoDiskPressure' },
      { yes: 'kubelet has disk pressure', no: 'kubelet has no disk pressure' },
    ),
    condition(
      'PIDPressure',
      { yes: 'KubeletHasInsufficientPID', no: 'KubeletHasSufficientPID' },
      { yes: 'kubelet has insufficient PID available', no: 'kubelet has sufficient PID available' },
    ),
    runtime === undefined
      ? {
          type: 'RuntimeReady',
          status: 'True',
          reason: 'RuntimesAnswer',
          message: 'every container runtime of this node answers',
        }
      : { type: 'RuntimeReady', status: 'False', reason: 'KubeletNotReady', message: runtime },
    dataDisk === undefined
      ? {
          type: 'DataDiskFailing',
          status: 'False',
          reason: 'DataDiskWritable',
          message: 'the agent can write to its data folder',
        }
      : { type: 'DataDiskFailing', status: 'True', ...dataDisk },
    limits === undefined
      ? {
          type: 'LimitsNotEnforced',
          status: 'False',
          reason: 'LimitsEnforced',
          message: 'limits of cpu, memory and processes are enforced',
        }
      : { type: 'LimitsNotEnforced', status: 'True', reason: 'ControlGroupsMissing', message: limits },
  ];
}
