import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Clock } from '../../../lib/clock.ts';
import type { PodLimits } from '../driver.ts';
import { DriverError } from '../errors.ts';
import { makeFolder, readText, removeGroup, tryRemove, tryWrite } from './group-files.ts';
import { type Hierarchies, limitFiles, passControllersOn, unlimited } from './limit-files.ts';

/**
 * A group for each pod, that holds the groups of its containers: what all of them together may take, so that neither the
 * sum of them nor a storm of processes in one of them is at the cost of other pods or the agent. Those of burstable and
 * of best-effort pods lie in a group for all of their kind, as a kubelet has it: the second weighs next to nothing.
 *
 * All is read from the kernel, so that a later agent goes on with what it finds.
 */
export interface PodGroups {
  /** Below the agent's folder; where it would be for a pod that has none. */
  pathOf(podUid: string): string;
  /** As an engine is told it, for the groups of its containers; undefined where the pod has none. */
  parentOf(podUid: string): string | undefined;
  /** Makes it, or gives it these limits; what the kernel does not enforce is left out. */
  make(podUid: string, limits: PodLimits): void;
  /** Of a group that exists; `raise` leaves alone what would become less. Throws DriverError `ResizeError`. */
  update(podUid: string, limits: PodLimits, how: 'raise' | 'exact'): void;
  /** Ends what is left in the group, and removes it and those above it when nothing else is in them. */
  remove(podUid: string, clock: Clock): Promise<void>;
}

/** What starts containers and stays beside them is part of no pod. */
export const enginesGroup = 'engines';

const folderOf: Readonly<Record<PodLimits['qos'], string>> = {
  Guaranteed: '',
  Burstable: 'burstable',
  BestEffort: 'besteffort',
};
const sharesMin = 2;

export function createPodGroups(hierarchies: Hierarchies): PodGroups {
  const { tracking, version1, unified, mounted, parent } = hierarchies;
  const folders = [...version1.values(), ...(unified ? [unified.folder] : [])];
  const find = (podUid: string) =>
    Object.values(folderOf)
      .map((folder) => join(folder, podUid))
      .find((path) => existsSync(join(tracking, path)));
  const apply = (path: string, limits: PodLimits, write: (file: string, value: string) => void) => {
    const { cpuLimitMillis = unlimited, memoryLimitBytes = unlimited } = limits;
    const whole = { ...limits, cpuLimitMillis, memoryLimitBytes };
    for (const [file, value] of limitFiles(hierarchies, whole)) write(file(path), value);
  };
  return {
    pathOf: (podUid) => find(podUid) ?? podUid,
    parentOf: (podUid) => {
      const path = find(podUid);
      return path === undefined ? undefined : join(parent, path);
    },
    make(podUid, limits) {
      const path = find(podUid) ?? join(folderOf[limits.qos], podUid);
      for (const folder of folders) makeFolder(join(folder, path));
      if (unified)
        for (const level of ['..', '.', join(path, '..'), path])
          passControllersOn(join(unified.folder, level));
      apply(path, limits, tryWrite);
      weigh(hierarchies);
    },
    update(podUid, limits, how) {
      const path = find(podUid);
      if (path === undefined) return;
      apply(path, limits, (file, value) => {
        if (!existsSync(file) || (how === 'raise' && !isMore(file, value))) return;
        if (how === 'exact') refuseLess(file, value);
        writeLimit(file, value);
      });
      weigh(hierarchies);
    },
    async remove(podUid, clock) {
      const path = find(podUid) ?? podUid;
      const levels = [path, join(path, '..'), enginesGroup, '.', '..'];
      for (const folder of new Set([...folders, ...mounted])) {
        // What an engine left of a container.
        for (const name of namesIn(join(folder, path))) await removeGroup(join(folder, path, name), clock);
        for (const level of levels) tryRemove(join(folder, level));
      }
      weigh(hierarchies);
    },
  };
}

function isMore(file: string, value: string): boolean {
  return amountIn(value) > amountIn(readText(file));
}

function amountIn(text: string): number {
  const [first = ''] = text.trim().split(' ');
  return first === 'max' || first === '-1' ? unlimited : Number(first);
}

/** The kernel would kill something of a pod that is beyond its new limit. */
function refuseLess(file: string, value: string): void {
  const folder = dirname(file);
  const found = [
    ['memory.limit_in_bytes', 'memory.usage_in_bytes', 'total_inactive_file'],
    ['memory.max', 'memory.current', 'inactive_file'],
  ].find(([name]) => name === basename(file));
  if (!found) return;
  const [, usage = '', idle = ''] = found;
  const idleBytes = new RegExp(`^${idle} (\\d+)$`, 'm').exec(readText(join(folder, 'memory.stat')))?.[1];
  const usedBytes = Number(readText(join(folder, usage))) - Number(idleBytes ?? 0);
  if (usedBytes > amountIn(value))
    throw new DriverError(
      'ResizeError',
      `attempting to set pod memory limit (${value}) below current usage (${usedBytes})`,
    );
}

function writeLimit(file: string, value: string): void {
  try {
    writeFileSync(file, value);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new DriverError('ResizeError', `the kernel refuses the pod's new limits: ${why}`, { cause });
  }
}

/** A group by quality of service weighs what its pods weigh together, and keeps for them what they were promised. */
function weigh({ version1, unified }: Hierarchies): void {
  const cpu = version1.get('cpu');
  const [root, file] = cpu === undefined ? [unified?.folder, 'cpu.weight'] : [cpu, 'cpu.shares'];
  if (root !== undefined) {
    const burstable = join(root, folderOf.Burstable);
    const most = file === 'cpu.weight' ? 10_000 : 262_144;
    const least = file === 'cpu.weight' ? 1 : sharesMin;
    tryWrite(join(burstable, file), String(Math.min(most, Math.max(least, sumOf(burstable, file)))));
    tryWrite(join(root, folderOf.BestEffort, file), String(least));
  }
  if (unified === undefined || version1.has('memory')) return;
  for (const level of [folderOf.Burstable, '.', '..']) {
    const folder = join(unified.folder, level);
    tryWrite(join(folder, 'memory.min'), String(sumOf(folder, 'memory.min')));
  }
}

function sumOf(folder: string, file: string): number {
  return namesIn(folder).reduce((sum, name) => sum + (Number(readText(join(folder, name, file))) || 0), 0);
}

/** Names of groups in a group. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? [entry.name] : [],
    );
  } catch {
    return [];
  }
}
