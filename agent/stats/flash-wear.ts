import type { HostFiles } from '../host/host-files.ts';
import { tidy, wholeNumber } from '../host/host-files.ts';

export interface WearFiles extends Pick<HostFiles, 'read'> {
  /** Names in a folder; none where it is not there. */
  names(path: string): Promise<readonly string[]>;
}

export interface Wear {
  /** By the agent since it started, as the kernel counts what goes to disks; undefined where it does not tell. */
  agentWrittenBytes: number | undefined;
  disks: readonly DiskWear[];
}

export interface DiskWear {
  device: string;
  /** Since the host started. */
  writtenBytes: number;
  /** 0 to 1.1, in steps of a tenth, where the medium tells (eMMC); above 1 it has outlived what it was made for. */
  lifeUsed: number | undefined;
  /** The medium says that its spare blocks run out. */
  worn: boolean;
}

const sectorBytes = 512;
/** In memory, or made of other devices that are counted themselves. */
const notDisks = /^(?:loop|ram|zram|dm-|md|sr|fd|nbd)/;

export async function readWear(files: WearFiles): Promise<Wear> {
  const written = /^write_bytes: (\d+)$/m.exec((await files.read('/proc/self/io')) ?? '')?.[1];
  const names = (await files.names('/sys/block')).filter((name) => !notDisks.test(name));
  return {
    agentWrittenBytes: written === undefined ? undefined : Number(written),
    disks: await Promise.all(names.map((device) => readDisk(files, device))),
  };
}

async function readDisk(files: WearFiles, device: string): Promise<DiskWear> {
  const [stat, lifeTime, endOfLife] = await Promise.all([
    files.read(`/sys/block/${device}/stat`),
    files.read(`/sys/block/${device}/device/life_time`),
    files.read(`/sys/block/${device}/device/pre_eol_info`),
  ]);
  const sectors = wholeNumber(tidy(stat).split(/\s+/)[6]) ?? 0;
  // Two estimates of JEDEC's eMMC: 1 is up to a tenth, 10 up to the whole, 11 beyond; 0 is not told.
  const steps = tidy(lifeTime)
    .split(/\s+/)
    .map(Number)
    .filter((step) => step >= 1 && step <= 11);
  return {
    device,
    writtenBytes: sectors * sectorBytes,
    lifeUsed: steps.length > 0 ? Math.max(...steps) / 10 : undefined,
    worn: Number(tidy(endOfLife) || 0) >= 2,
  };
}
