import type { NodeReport } from '../../protocol/topics/sync.ts';
import type { HostLoad } from './host-load.ts';
import { amountOf, type EvictionSignal, type Thresholds } from './thresholds.ts';

/** A pressure counts until it was gone this long, so that the condition does not flap. */
const pressureGoneAfterMs = 5 * 60_000;

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
  'pid.available': 'PIDPressure',
};

/** What is short now. */
export function shortagesOf(load: HostLoad, thresholds: Thresholds): Shortage[] {
  const { disk } = load;
  const observed: [EvictionSignal, available: number, total: number][] = [
    ['memory.available', load.memoryAvailableBytes, load.memoryTotalBytes],
    ['pid.available', load.pidsMax - load.pidsUsed, load.pidsMax],
  ];
  if (disk) observed.push(['nodefs.available', disk.availableBytes, disk.totalBytes]);
  // Some file systems (btrfs, FAT) have no fixed number of inodes and say 0.
  if (disk && disk.totalInodes > 0) observed.push(['nodefs.inodesFree', disk.freeInodes, disk.totalInodes]);
  return observed.flatMap(([signal, available, total]) => {
    const threshold = Math.floor(amountOf(thresholds[signal], total));
    return available < threshold ? [{ signal, available, threshold }] : [];
  });
}

/** What is under pressure at `nowMs`, or was until lately. */
export function pressuresAt(shortages: readonly Shortage[], before: Pressures, nowMs: number): Pressures {
  const seen = new Set(shortages.map(({ signal }) => pressureOf[signal]));
  const pressures: Partial<Record<PressureType, number>> = {};
  for (const type of ['MemoryPressure', 'DiskPressure', 'PIDPressure'] as const) {
    const lastMs = seen.has(type) ? nowMs : before[type];
    if (lastMs !== undefined && nowMs - lastMs < pressureGoneAfterMs) pressures[type] = lastMs;
  }
  return pressures;
}

/** Kubelet's reasons and messages, which dashboards and people search for. Whether the node is Ready is the server's word. */
export function nodeConditions(
  pressures: Pressures,
  runtimeProblem: string | undefined,
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
    runtimeProblem === undefined
      ? {
          type: 'RuntimeReady',
          status: 'True',
          reason: 'RuntimesAnswer',
          message: 'every container runtime of this node answers',
        }
      : { type: 'RuntimeReady', status: 'False', reason: 'KubeletNotReady', message: runtimeProblem },
  ];
}
