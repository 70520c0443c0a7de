import { createHash } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import type { Clock } from '../../../lib/clock.ts';
import type { ResourceLimits } from '../driver.ts';
import { makeFolder, parseNumbers, readText, removeGroup, tryWrite } from './group-files.ts';
import { type Hierarchies, limitFiles, passControllersOn, wantedControllers } from './limit-files.ts';
import { createPodGroups, enginesGroup, type PodGroups } from './pod-groups.ts';

/**
 * Control groups for pods and for host processes: which processes belong to a container (so that all can be killed, also
 * those that made sessions of their own), and limits. Works on version 2, on version 1 and on both mounted side by side;
 * where nothing is writable there are none, and the driver says so.
 *
 * Below each mount: flotilla/<hash of the agent's state folder>/[burstable/|besteffort/]<pod uid>, see pod-groups.ts; in
 * it a group for each container, <container>-<attempt> or what an engine calls it. Agents before had no groups by quality
 * of service: a pod stays where it is.
 */
export interface CgroupTree {
  /** What is enforced, in words for a person. */
  readonly description: string;
  readonly limitsCpu: boolean;
  readonly limitsMemory: boolean;
  readonly limitsPids: boolean;
  readonly pods: PodGroups;
  /** Makes the group; limits that this host cannot enforce are left out. */
  create(path: string, limits: ResourceLimits): Cgroup;
  /** Gives a group that exists other limits. Throws the kernel's error when it refuses one that it could enforce. */
  update(path: string, limits: ResourceLimits): void;
  /** A group that may or may not exist. */
  open(path: string): Cgroup;
  /** A process that writes 0 into each of these is in a group of its own, beside those of the pods: for engines. */
  engineFiles(): readonly string[];
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

export interface CgroupFinding {
  mounts: CgroupMounts;
  /** The agent's own group of version 2. */
  own: string;
}

function findCgroups(): CgroupFinding {
  const own = /^0::(.*)$/m.exec(readText('/proc/self/cgroup'))?.[1] ?? '/';
  return { mounts: parseCgroupMounts(readText('/proc/self/mounts')), own };
}

/** Undefined where this process may not make groups. */
export function openCgroups(stateDir: string, found: CgroupFinding = findCgroups()): CgroupTree | undefined {
  const key = createHash('sha256').update(resolve(stateDir)).digest('hex').slice(0, 10);
  const { own } = found;
  const mounts = thoseThere(found.mounts);
  const unified = mounts.unified === undefined ? undefined : openUnified(mounts.unified, own, key);
  const version1 = new Map<string, string>();
  for (const controller of trackingControllers) {
    const root = mounts.controllers.get(controller);
    const folder = root === undefined ? undefined : makeFolder(join(root, 'flotilla', key));
    if (folder !== undefined) version1.set(controller, folder);
  }
  const tracking = unified?.folder ?? trackingControllers.map((name) => version1.get(name)).find(Boolean);
  if (tracking === undefined) return undefined;
  // An engine makes groups below each mount there is.
  const mounted = [...new Set(mounts.controllers.values())].map((root) => join(root, 'flotilla', key));
  const parent = version1.size > 0 ? `/flotilla/${key}` : (unified?.parent ?? '');
  return describeTree({ tracking, version1, unified, mounted, parent });
}

/** Something else may be mounted over them: files of our own making there would be believed. */
function thoseThere({ unified, controllers }: CgroupMounts): CgroupMounts {
  const isThere = (root: string) => existsSync(join(root, 'cgroup.procs'));
  return {
    unified: unified !== undefined && isThere(unified) ? unified : undefined,
    controllers: new Map([...controllers].filter(([, root]) => isThere(root))),
  };
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
function openUnified(root: string, own: string, key: string) {
  for (const base of [root, join(root, own)]) {
    const folder = makeFolder(join(base, 'flotilla', key));
    if (folder === undefined) continue;
    for (const inner of [base, join(base, 'flotilla'), folder]) passControllersOn(inner);
    const controllers = readText(join(folder, 'cgroup.subtree_control')).trim().split(' ');
    return { folder, controllers, parent: `/${relative(root, folder)}` };
  }
  return undefined;
}

function describeTree(hierarchies: Hierarchies): CgroupTree {
  const { version1, unified } = hierarchies;
  const limits = (name: string) => version1.has(name) || unified?.controllers.includes(name) === true;
  const enforced = wantedControllers.filter(limits);
  const folders = [...version1.values(), ...(unified ? [unified.folder] : [])];
  const pods = createPodGroups(hierarchies);
  const located = (path: string) => {
    const [podUid = '', ...rest] = path.split('/');
    return join(pods.pathOf(podUid), ...rest);
  };
  return {
    pods,
    limitsCpu: limits('cpu'),
    limitsMemory: limits('memory'),
    limitsPids: limits('pids'),
    description: `cgroup v${version1.size > 0 ? 1 : 2}, limits enforced: ${enforced.join(', ') || 'none'}`,
    create(path, limits) {
      const place = located(path);
      for (const folder of folders) makeFolder(join(folder, place));
      if (unified)
        for (const level of ['..', '.', join(place, '..', '..'), join(place, '..')])
          passControllersOn(join(unified.folder, level));
      for (const [file, value] of limitFiles(hierarchies, limits)) tryWrite(file(place), value);
      return openGroup(hierarchies, folders, place);
    },
    update(path, limits) {
      const place = located(path);
      for (const [file, value] of limitFiles(hierarchies, limits))
        if (existsSync(file(place))) writeFileSync(file(place), value);
    },
    open: (path) => openGroup(hierarchies, folders, located(path)),
    engineFiles() {
      const made = folders.map((folder) => makeFolder(join(folder, enginesGroup)));
      return made.flatMap((folder) => (folder === undefined ? [] : [join(folder, 'cgroup.procs')]));
    },
  };
}

function openGroup(hierarchies: Hierarchies, folders: readonly string[], path: string): Cgroup {
  const killFile = hierarchies.unified ? join(hierarchies.unified.folder, path, 'cgroup.kill') : '';
  const memory = hierarchies.version1.get('memory');
  const memoryEvents =
    memory === undefined
      ? join(hierarchies.tracking, path, 'memory.events')
      : join(memory, path, 'memory.oom_control');
  return {
    joinFiles: folders
      .filter((folder) => existsSync(join(folder, path)))
      .map((folder) => join(folder, path, 'cgroup.procs')),
    runtimePath: join(hierarchies.parent, path),
    killFile: killFile !== '' && existsSync(killFile) ? killFile : '',
    members: () => parseNumbers(readText(join(hierarchies.tracking, path, 'cgroup.procs'))),
    outOfMemoryKills: () => Number(/^oom_kill (\d+)$/m.exec(readText(memoryEvents))?.[1] ?? 0),
    remove: async (clock) => {
      for (const folder of new Set([...folders, ...hierarchies.mounted]))
        await removeGroup(join(folder, path), clock);
    },
  };
}
