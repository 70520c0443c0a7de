import type { NodeReport } from '../../protocol/topics/sync.ts';
import type { HostLoad } from './host-load.ts';

/** Kubelet's default eviction thresholds; on a board with very little memory a tenth of it. */
const memoryAvailableBytesMin = 100 * 2 ** 20;
const diskAvailableFractionMin = 0.1;
const inodesFreeFractionMin = 0.05;
const pidsFreeFractionMin = 0.05;
/** A pressure counts until it was gone this long, so that the condition does not flap. */
const pressureGoneAfterMs = 5 * 60_000;

export type PressureType = 'MemoryPressure' | 'DiskPressure' | 'PIDPressure';

/** By type: when it was last seen, monotonic. */
export type Pressures = Readonly<Partial<Record<PressureType, number>>>;

/** What is under pressure at `nowMs`, or was until lately. */
export function pressuresAt(load: HostLoad, before: Pressures, nowMs: number): Pressures {
  const seen = seenPressures(load);
  const pressures: Partial<Record<PressureType, number>> = {};
  for (const type of ['MemoryPressure', 'DiskPressure', 'PIDPressure'] as const) {
    const lastMs = seen[type] ? nowMs : before[type];
    if (lastMs !== undefined && nowMs - lastMs < pressureGoneAfterMs) pressures[type] = lastMs;
  }
  return pressures;
}

function seenPressures(load: HostLoad): Record<PressureType, boolean> {
  const { disk } = load;
  return {
    MemoryPressure:
      load.memoryAvailableBytes < Math.min(memoryAvailableBytesMin, load.memoryTotalBytes * 0.1),
    DiskPressure:
      disk !== undefined &&
      (disk.availableBytes < disk.totalBytes * diskAvailableFractionMin ||
        // Some file systems (btrfs, FAT) have no fixed number of inodes and say 0.
        (disk.totalInodes > 0 && disk.freeInodes < disk.totalInodes * inodesFreeFractionMin)),
    PIDPressure: load.pidsMax - load.pidsUsed < load.pidsMax * pidsFreeFractionMin,
  };
}

/** Kubelet's reasons and messages, which dashboards and people search for. */
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
      ? { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' }
      : { type: 'Ready', status: 'False', reason: 'KubeletNotReady', message: runtimeProblem },
  ];
}
