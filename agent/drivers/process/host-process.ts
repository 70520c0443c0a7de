import { existsSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { ContainerSpec } from '../driver.ts';
import type { ContainerFolder, StartRecord } from './container-folder.ts';
import { markName } from './container-members.ts';
import { hasOwnView, inMountsOf, isMounted, type OwnView, withMounts } from './private-mounts.ts';
import { withRights } from './rights.ts';
import { resolveProgram, withOddNames } from './shim.ts';

/** How a container that is a plain process of the host is started, in words for the shim and for exec. */
export interface HostProcess {
  folder: ContainerFolder;
  spec: ContainerSpec;
  /** The pod's own, and its working directory unless it names another. */
  workFolder: string;
  /** What every process gets before its own variables. */
  base: Readonly<Record<string, string>>;
  /** Whether its processes are told by its control group. */
  grouped: boolean;
  /** Whether it has a /tmp of its own, which `makeTmp` has made. */
  ownTmp: boolean;
}

export interface MainWords extends ProcessWords {
  /** Whether the command says by itself that it has begun. */
  tells: boolean;
}

export interface ProcessWords {
  command: string[];
  environment: Record<string, string>;
  cwd: string;
}

/** A folder of the container's that becomes its /tmp, unless a volume does. */
export async function makeTmp(folder: ContainerFolder, { mounts }: ContainerSpec): Promise<void> {
  if (mounts.some(({ target }) => resolve(target) === '/tmp')) return;
  const path = tmpFolder(folder);
  await mkdir(path, { recursive: true });
  await chmod(path, 0o1777);
  // It has to be there to be shown.
  await writeFile(terminationLog(folder), '', { flag: 'a' });
}

export function hasTmp(folder: ContainerFolder): boolean {
  return existsSync(tmpFolder(folder));
}

function tmpFolder({ path }: ContainerFolder): string {
  return join(path, 'tmp');
}

export function terminationLog({ path }: ContainerFolder): string {
  return join(path, 'termination-log');
}

const terminationLogName = 'FLOTILLA_TERMINATION_LOG';

/** Harmless parts of the agent's own environment; never its secrets. */
export function baseEnvironment(): Record<string, string> {
  const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  const kept = ['HOME', 'LANG', 'TZ', 'USER'].map((name) => [name, process.env[name]] as const);
  return {
    PATH: process.env['PATH'] ?? path,
    ...Object.fromEntries(kept.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))),
  };
}

/** @throws DriverError where it cannot run so. */
export function mainWords(container: HostProcess): MainWords {
  const { spec, workFolder } = container;
  const environment = environmentOf(container);
  const cwd = spec.workingDir ?? workFolder;
  const words = withOddNames(
    resolved([...spec.command, ...spec.args], { environment, cwd, container }),
    spec.environment,
  );
  const view = viewOf(container);
  const command = withMounts({ ...view, cwd }, withRights(spec.security, words), workFolder);
  const tells = hasOwnView(view);
  return { command, environment, cwd: tells ? workFolder : cwd, tells };
}

/** For one more process beside the one that runs. @throws DriverError where it cannot run so. */
export function execWords(
  container: HostProcess,
  { command, start }: { command: readonly string[]; start: StartRecord | undefined },
): ProcessWords {
  const { spec, workFolder } = container;
  const environment = environmentOf(container);
  const cwd = spec.workingDir ?? workFolder;
  const program = withOddNames(resolved(command, { environment, cwd, container }), environment);
  const words = withRights(spec.security, program);
  if (!start || !hasOwnView(viewOf(container))) return { command: words, environment, cwd };
  return { command: inMountsOf(start.pid, cwd, words), environment, cwd: workFolder };
}

function viewOf({ folder, spec, workFolder, ownTmp }: HostProcess): OwnView {
  const shown = [workFolder, terminationLog(folder)];
  return { ...spec, tmp: ownTmp ? { folder: tmpFolder(folder), shown } : undefined };
}

function environmentOf({ folder, spec, base, grouped }: HostProcess): Record<string, string> {
  return {
    ...base,
    ...spec.environment,
    // A host process has no /dev of its own to be told by.
    [terminationLogName]: terminationLog(folder),
    ...(grouped ? {} : { [markName]: folder.path }),
  };
}

/** What lies on a volume, or in its /tmp, is found by the kernel, once that is there. */
function resolved(
  command: readonly string[],
  {
    environment,
    cwd,
    container,
  }: { environment: Readonly<Record<string, string>>; cwd: string; container: HostProcess },
): string[] {
  const { spec, ownTmp } = container;
  const [program = ''] = command;
  const targets = [...spec.mounts.map(({ target }) => target), ...(ownTmp ? ['/tmp'] : [])];
  const onVolume = program.includes('/') && isMounted(resolve(cwd, program), targets);
  return onVolume ? [...command] : resolveProgram(command, environment, cwd);
}
