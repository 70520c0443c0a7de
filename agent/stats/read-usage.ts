import { basename, dirname } from 'node:path';
import { type CgroupMounts, parseCgroupMounts } from '../drivers/process/cgroups.ts';
import type { HostFiles } from '../host/host-files.ts';
import { wholeNumber } from '../host/host-files.ts';

/** Counted since the thing began. */
export interface Counters {
  cpuNanos: number;
  /** What could not be taken back without harm: usage less the file cache that lies idle. */
  workingSetBytes: number;
}

/** USER_HZ, which the kernel's interface fixes at 100 whatever its own tick is. */
const nanosPerTick = 10_000_000;

/** Reads what processes and the host have used from /proc and the control groups, of version 1, 2 or both. */
export interface UsageReader {
  /** Of all in the control group of `pid`; undefined when the process is gone or has no group of its own. */
  group(pid: number): Promise<Counters | undefined>;
  /** Of `pid` and what descends from it. */
  tree(pid: number): Promise<Counters | undefined>;
  /** Of all in the group that holds the pod's containers, of which `pid` is in one; undefined where there is none. */
  pod(pid: number, podUid: string): Promise<Counters | undefined>;
  /** Undefined where the kernel does not let that be read. */
  host(): Promise<Counters | undefined>;
  /** Processes and threads in the control group of `pid`; undefined where that is not known. */
  processes(pid: number): Promise<number | undefined>;
}

export interface ReadUsageOptions {
  files: Pick<HostFiles, 'read'>;
  processIds: () => readonly number[];
  pageBytes: number;
}

export async function createUsageReader(options: ReadUsageOptions): Promise<UsageReader> {
  const { files } = options;
  const mounts = parseCgroupMounts((await files.read('/proc/self/mounts')) ?? '');
  const own = parseGroups((await files.read('/proc/self/cgroup')) ?? '');
  return {
    group: (pid) => readGroup(pid, { files, mounts, own }),
    tree: (pid) => readTree(pid, options),
    pod: (pid, podUid) => readGroup(pid, { files, mounts, own, podUid }),
    host: () => readHost(files),
    processes: (pid) => readProcesses(pid, { files, mounts, own }),
  };
}

interface GroupContext {
  files: Pick<HostFiles, 'read'>;
  mounts: CgroupMounts;
  /** The agent's own groups: what shares one with it was given none. */
  own: Groups;
  /** The group above is meant, if it is this pod's. */
  podUid?: string;
}

/** By controller of version 1, and '' for version 2: the path below the mount. */
type Groups = ReadonlyMap<string, string>;

/** From the text of /proc/<pid>/cgroup. */
export function parseGroups(text: string): Groups {
  const groups = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) continue;
    for (const controller of controllers.split(',')) groups.set(controller, path);
  }
  return groups;
}

async function readGroup(pid: number, context: GroupContext): Promise<Counters | undefined> {
  const text = await context.files.read(`/proc/${pid}/cgroup`);
  if (text === undefined) return undefined;
  const groups = parseGroups(text);
  const [cpuNanos, workingSetBytes] = await Promise.all([
    readCpu(groups, context),
    readWorkingSet(groups, context),
  ]);
  return cpuNanos === undefined || workingSetBytes === undefined ? undefined : { cpuNanos, workingSetBytes };
}

async function readProcesses(pid: number, context: GroupContext): Promise<number | undefined> {
  const groups = parseGroups((await context.files.read(`/proc/${pid}/cgroup`)) ?? '');
  const folder = folderOf('pids', groups, context) ?? folderOf('', groups, context);
  return folder === undefined ? undefined : wholeNumber(await context.files.read(`${folder}/pids.current`));
}

async function readCpu(groups: Groups, context: GroupContext): Promise<number | undefined> {
  const { files } = context;
  const folder1 = folderOf('cpuacct', groups, context);
  const nanos = folder1 === undefined ? undefined : wholeNumber(await files.read(`${folder1}/cpuacct.usage`));
  if (nanos !== undefined) return nanos;
  const folder2 = folderOf('', groups, context);
  const stat = folder2 === undefined ? undefined : await files.read(`${folder2}/cpu.stat`);
  const microseconds = fieldOf(stat ?? '', 'usage_usec');
  return microseconds === undefined ? undefined : microseconds * 1000;
}

async function readWorkingSet(groups: Groups, context: GroupContext): Promise<number | undefined> {
  const { files } = context;
  for (const [controller, usageFile, idleField] of [
    ['memory', 'memory.usage_in_bytes', 'total_inactive_file'],
    ['', 'memory.current', 'inactive_file'],
  ] as const) {
    const folder = folderOf(controller, groups, context);
    if (folder === undefined) continue;
    const [used, stat] = await Promise.all([
      files.read(`${folder}/${usageFile}`),
      files.read(`${folder}/memory.stat`),
    ]);
    const bytes = wholeNumber(used);
    if (bytes !== undefined) return Math.max(0, bytes - (fieldOf(stat ?? '', idleField) ?? 0));
  }
  return undefined;
}

/** Where the group is seen; undefined where there is none but the agent's own. */
function folderOf(
  controller: string,
  groups: Groups,
  { mounts, own, podUid }: GroupContext,
): string | undefined {
  const mount = controller === '' ? mounts.unified : mounts.controllers.get(controller);
  const group = groups.get(controller);
  const path = podUid === undefined || group === undefined ? group : dirname(group);
  if (podUid !== undefined && path !== undefined && basename(path) !== podUid) return undefined;
  if (mount === undefined || path === undefined || path === '/' || path === own.get(controller))
    return undefined;
  return mount + path;
}

function fieldOf(text: string, name: string): number | undefined {
  const found = new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1];
  return found === undefined ? undefined : Number(found);
}

interface ProcessFigures extends Counters {
  parent: number;
}

/** The dearest way, for hosts without writable control groups: every process is looked at. */
async function readTree(
  pid: number,
  { files, processIds, pageBytes }: ReadUsageOptions,
): Promise<Counters | undefined> {
  const processes = new Map<number, ProcessFigures>();
  for (const id of processIds()) {
    const figures = parseStat((await files.read(`/proc/${id}/stat`)) ?? '', pageBytes);
    if (figures) processes.set(id, figures);
  }
  if (!processes.has(pid)) return undefined;
  const children = Map.groupBy(processes.keys(), (id) => processes.get(id)?.parent ?? 0);
  const total = { cpuNanos: 0, workingSetBytes: 0 };
  const waiting = [pid];
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    total.cpuNanos += processes.get(id)?.cpuNanos ?? 0;
    total.workingSetBytes += processes.get(id)?.workingSetBytes ?? 0;
    waiting.push(...(children.get(id) ?? []));
  }
  return total;
}

/** proc_pid_stat(5): user and system time, also of children that were waited for, and resident pages. */
function parseStat(text: string, pageBytes: number): ProcessFigures | undefined {
  const fields = text
    .slice(text.lastIndexOf(') ') + 2)
    .split(' ')
    .map(Number);
  const [parent, user, system, childUser, childSystem, pages] = [1, 11, 12, 13, 14, 21].map(
    (at) => fields[at] ?? Number.NaN,
  ) as [number, number, number, number, number, number];
  const ticks = user + system + childUser + childSystem;
  if (Number.isNaN(ticks + parent + pages)) return undefined;
  return { parent, cpuNanos: ticks * nanosPerTick, workingSetBytes: pages * pageBytes };
}

async function readHost(files: Pick<HostFiles, 'read'>): Promise<Counters | undefined> {
  const [stat = '', meminfo = ''] = await Promise.all([
    files.read('/proc/stat'),
    files.read('/proc/meminfo'),
  ]);
  if (!/^cpu +\d/m.test(stat) || !/^MemTotal:/m.test(meminfo)) return undefined;
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = (
    /^cpu +(.*)$/m.exec(stat)?.[1] ?? ''
  )
    .split(' ')
    .map(Number);
  const bytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(meminfo)?.[1] ?? 0) * 1024;
  return {
    cpuNanos: (user + nice + system + irq + softirq + steal) * nanosPerTick,
    workingSetBytes: Math.max(0, bytes('MemTotal') - bytes('MemFree') - bytes('Inactive\\(file\\)')),
  };
}
