import type { DiskSpace, HostFiles } from './host-files.ts';
import { wholeNumber } from './host-files.ts';

/** What of the host may change while it runs; a handful of small files, cheap enough for every minute. */
export interface HostLoad {
  memoryTotalBytes: number;
  memoryAvailableBytes: number;
  disk: DiskSpace | undefined;
  /** Of the engine's images and containers, where they lie on another file system. */
  imageDisk: DiskSpace | undefined;
  pidsMax: number;
  /** Undefined where the kernel does not let that be read. */
  pidsUsed: number | undefined;
  /** Of the whole host, in cores, what a container that the agent runs in may use; undefined: all. */
  cpuLimit: number | undefined;
  /** Load average over one minute. */
  load: number;
}

/** `imageRoot` is on another file system than `dataDir`. */
export async function readHostLoad(files: HostFiles, dataDir: string, imageRoot?: string): Promise<HostLoad> {
  const [meminfo, loadavg, pidMax, disk, imageDisk, cgroup] = await Promise.all([
    files.read('/proc/meminfo'),
    files.read('/proc/loadavg'),
    files.read('/proc/sys/kernel/pid_max'),
    files.space(dataDir),
    imageRoot === undefined ? undefined : files.space(imageRoot),
    readCgroupLimits(files),
  ]);
  const memory = parseMeminfo(meminfo ?? '') ?? files.memory?.() ?? { totalBytes: 0, availableBytes: 0 };
  const limitBytes = Math.min(memory.totalBytes, cgroup.memoryBytes ?? Number.POSITIVE_INFINITY);
  const freeOfLimit = limitBytes - (cgroup.memoryUsedBytes ?? 0);
  const [load, , , threads] = (loadavg ?? '').split(' ');
  return {
    memoryTotalBytes: limitBytes,
    memoryAvailableBytes:
      limitBytes < memory.totalBytes ? Math.min(memory.availableBytes, freeOfLimit) : memory.availableBytes,
    disk,
    imageDisk,
    pidsMax: wholeNumber(pidMax) ?? 32_768,
    pidsUsed: threads === undefined ? undefined : Number(threads.split('/')[1] ?? 0),
    cpuLimit: cgroup.cpus,
    load: Number(load ?? 0),
  };
}

/** Undefined for a text that does not tell. */
export function parseMeminfo(text: string): { totalBytes: number; availableBytes: number } | undefined {
  const kibibytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? Number.NaN) * 1024;
  const totalBytes = kibibytes('MemTotal');
  if (Number.isNaN(totalBytes)) return undefined;
  const availableBytes = kibibytes('MemAvailable');
  return { totalBytes, availableBytes: Number.isNaN(availableBytes) ? totalBytes : availableBytes };
}

/**
 * The root of the mounted hierarchy: on a host it has no limit files, in a container it is the container's own
 * group. A limit on the agent's own service says nothing of the workloads, so it is not looked for.
 */
async function readCgroupLimits(
  files: HostFiles,
): Promise<{ cpus?: number; memoryBytes?: number; memoryUsedBytes?: number }> {
  const root = '/sys/fs/cgroup';
  const [cpuMax, memoryMax, memoryCurrent] = await Promise.all([
    files.read(`${root}/cpu.max`),
    files.read(`${root}/memory.max`),
    files.read(`${root}/memory.current`),
  ]);
  const [quota, period] = (cpuMax ?? '').trim().split(' ').map(wholeNumber);
  const memoryBytes = wholeNumber(memoryMax);
  const memoryUsedBytes = wholeNumber(memoryCurrent);
  return {
    ...(quota && period ? { cpus: quota / period } : {}),
    ...(memoryBytes === undefined ? {} : { memoryBytes, memoryUsedBytes: memoryUsedBytes ?? 0 }),
  };
}
