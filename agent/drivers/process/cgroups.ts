import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { rmdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Clock, sleep } from '../../../lib/clock.ts';
import type { ResourceLimits } from '../driver.ts';
import { sendSignal } from '../process-identity.ts';

/**
 * Control groups for host processes: which processes belong to a container (so that all can be killed, also those
 * that made sessions of their own), and limits. Works on version 2, on version 1 and on both mounted side by side;
 * where nothing is writable there are none, and the driver says so.
 *
 * Below each mount: flotilla/<hash of the agent's state folder>/<pod uid>/<container>-<attempt>.
 */
export interface CgroupTree {
  /** What is enforced, in words for a person. */
  readonly description: string;
  readonly limitsCpu: boolean;
  readonly limitsMemory: boolean;
  /** Makes the group; limits that this host cannot enforce are left out. */
  create(path: string, limits: ResourceLimits): Cgroup;
  /** Gives a group that exists other limits. Throws the kernel's error when it refuses one that it could enforce. */
  update(path: string, limits: ResourceLimits): void;
  /** A group that may or may not exist. */
  open(path: string): Cgroup;
  /** Removes a pod's empty group, and those above it when nothing else is in them. */
  removePod(podUid: string): void;
}

export interface Cgroup {
  /** A process that writes 0 into each of these is in the group, with all its later children. */
  readonly joinFiles: readonly string[];
  /** Below the mounts, for a runtime program that joins by itself. */
  readonly runtimePath: string;
  /** Writing 1 here kills everything in the group (Linux 5.14); '' when there is no such file. */
  readonly killFile: string;
  members(): number[];
  /** How many processes of the group the kernel killed for want of memory. */
  outOfMemoryKills(): number;
  remove(clock: Clock): Promise<void>;
}

export interface CgroupMounts {
  /** Version 2. */
  unified: string | undefined;
  /** Version 1, by controller. */
  controllers: ReadonlyMap<string, string>;
}

const trackingControllers = ['freezer', 'pids', 'cpu', 'cpuacct', 'memory'];
const wantedControllers = ['cpu', 'memory', 'pids'];
const removalAttempts = 50;
const removalPauseMs = 10;

/** Undefined where this process may not make groups. */
export function openCgroups(stateDir: string): CgroupTree | undefined {
  const key = createHash('sha256').update(resolve(stateDir)).digest('hex').slice(0, 10);
  const mounts = parseCgroupMounts(readText('/proc/self/mounts'));
  const unified = mounts.unified === undefined ? undefined : openUnified(mounts.unified, key);
  const version1 = new Map<string, string>();
  const others = [...new Set(mounts.controllers.values())].map((root) => join(root, 'flotilla', key));
  for (const controller of trackingControllers) {
    const root = mounts.controllers.get(controller);
    const folder = root === undefined ? undefined : makeFolder(join(root, 'flotilla', key));
    if (folder !== undefined) version1.set(controller, folder);
  }
  const tracking = unified?.folder ?? trackingControllers.map((name) => version1.get(name)).find(Boolean);
  if (tracking === undefined) return undefined;
  const own =
    unified && version1.size === 0 ? unified.folder.slice(mounts.unified?.length) : `/flotilla/${key}`;
  return describeTree({ tracking, version1, unified, others, own });
}

interface Hierarchies {
  /** Where membership is read. */
  tracking: string;
  version1: ReadonlyMap<string, string>;
  unified: { folder: string; controllers: readonly string[] } | undefined;
  /** Of version 1, also those where a runtime program makes groups and we do not. */
  others: readonly string[];
  /** Of all of them, below their mounts. */
  own: string;
}

/** From the text of /proc/self/mounts. */
export function parseCgroupMounts(text: string): CgroupMounts {
  const rows = text.split('\n').map((line) => line.split(' '));
  const controllers = new Map<string, string>();
  for (const [, folder, type, options] of rows)
    if (type === 'cgroup' && folder !== undefined)
      for (const option of (options ?? '').split(',')) controllers.set(option, folder);
  return { unified: rows.find(([, , type]) => type === 'cgroup2')?.[1], controllers };
}

/** In the root of the tree, or below our own group where a service manager delegated that to us. */
function openUnified(root: string, key: string): Hierarchies['unified'] {
  const own = /^0::(.*)$/m.exec(readText('/proc/self/cgroup'))?.[1] ?? '/';
  for (const base of [root, join(root, own)]) {
    const folder = makeFolder(join(base, 'flotilla', key));
    if (folder === undefined) continue;
    for (const inner of [base, join(base, 'flotilla'), folder]) passControllersOn(inner);
    const controllers = readText(join(folder, 'cgroup.subtree_control')).trim().split(' ');
    return { folder, controllers };
  }
  return undefined;
}

function passControllersOn(folder: string): void {
  for (const controller of wantedControllers)
    tryWrite(join(folder, 'cgroup.subtree_control'), `+${controller}`);
}

function describeTree(hierarchies: Hierarchies): CgroupTree {
  const { version1, unified } = hierarchies;
  const limitsCpu = version1.has('cpu') || unified?.controllers.includes('cpu') === true;
  const limitsMemory = version1.has('memory') || unified?.controllers.includes('memory') === true;
  const enforced = [...(limitsCpu ? ['cpu'] : []), ...(limitsMemory ? ['memory'] : [])];
  const folders = [...version1.values(), ...(unified ? [unified.folder] : [])];
  return {
    limitsCpu,
    limitsMemory,
    description: `cgroup v${version1.size > 0 ? 1 : 2}, limits enforced: ${enforced.join(', ') || 'none'}`,
    create(path, limits) {
      for (const folder of folders) mkdirSync(join(folder, path), { recursive: true });
      if (unified)
        for (const level of ['..', '.', join(path, '..')]) passControllersOn(join(unified.folder, level));
      for (const [file, value] of limitFiles(hierarchies, limits)) tryWrite(file(path), value);
      return openGroup(hierarchies, folders, path);
    },
    update(path, limits) {
      for (const [file, value] of limitFiles(hierarchies, limits))
        if (existsSync(file(path))) writeFileSync(file(path), value);
    },
    open: (path) => openGroup(hierarchies, folders, path),
    removePod(podUid) {
      for (const folder of folders) for (const level of [podUid, '.', '..']) tryRemove(join(folder, level));
    },
  };
}

type PathIn = (path: string) => string;

function limitFiles(hierarchies: Hierarchies, limits: ResourceLimits): [PathIn, string][] {
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
  const bytes = limits.memoryLimitBytes;
  if (bytes === undefined) return writes;
  if (memory !== undefined) writes.push([inFolder(memory, 'memory.limit_in_bytes'), String(bytes)]);
  else if (folder2 !== undefined) {
    writes.push([inFolder(folder2, 'memory.max'), String(bytes)]);
    // A limit that spills to swap would wear the card out instead of ending the container.
    writes.push([inFolder(folder2, 'memory.swap.max'), '0']);
  }
  return writes;
}

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
          ['cpu.cfs_quota_us', String(quota)],
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
      : ([['cpu.max', `${quota} ${cpuPeriodMicroseconds}`]] as [string, string][])),
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

function openGroup(hierarchies: Hierarchies, folders: readonly string[], path: string): Cgroup {
  const killFile = hierarchies.unified ? join(hierarchies.unified.folder, path, 'cgroup.kill') : '';
  const memory = hierarchies.version1.get('memory');
  const memoryEvents =
    memory === undefined
      ? join(hierarchies.tracking, path, 'memory.events')
      : join(memory, path, 'memory.oom_control');
  return {
    joinFiles: folders.map((folder) => join(folder, path, 'cgroup.procs')),
    runtimePath: join(hierarchies.own, path),
    killFile: killFile !== '' && existsSync(killFile) ? killFile : '',
    members: () => parseNumbers(readText(join(hierarchies.tracking, path, 'cgroup.procs'))),
    outOfMemoryKills: () => Number(/^oom_kill (\d+)$/m.exec(readText(memoryEvents))?.[1] ?? 0),
    remove: async (clock) => {
      for (const folder of new Set([...folders, ...hierarchies.others]))
        await removeGroup(join(folder, path), clock);
    },
  };
}

/** A group stays busy for a moment after its last process was killed. */
async function removeGroup(folder: string, clock: Clock): Promise<void> {
  for (let attempt = 1; attempt <= removalAttempts; attempt++) {
    try {
      await rmdir(folder);
      return;
    } catch (error) {
      const busy = error instanceof Error && 'code' in error && error.code === 'EBUSY';
      if (!busy) return;
      for (const pid of parseNumbers(readText(join(folder, 'cgroup.procs')))) sendSignal(pid, 'SIGKILL');
      await sleep(clock, removalPauseMs);
    }
  }
}

function parseNumbers(text: string): number[] {
  return text.split('\n').filter(Boolean).map(Number);
}

function makeFolder(folder: string): string | undefined {
  try {
    mkdirSync(folder, { recursive: true });
    return folder;
  } catch {
    return undefined;
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** For files whose absence or refusal only means that this kernel does not enforce the limit. */
function tryWrite(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch {
    return;
  }
}

function tryRemove(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    return;
  }
}
