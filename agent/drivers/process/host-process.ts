import { join, resolve } from 'node:path';
import type { ContainerSpec } from '../driver.ts';
import type { ContainerFolder, StartRecord } from './container-folder.ts';
import { markName } from './container-members.ts';
import { hasOwnView, inMountsOf, isMounted, withMounts } from './private-mounts.ts';
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
}

export interface ProcessWords {
  command: string[];
  environment: Record<string, string>;
  cwd: string;
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
export function mainWords(container: HostProcess): ProcessWords {
  const { spec, workFolder } = container;
  const environment = environmentOf(container);
  const cwd = spec.workingDir ?? workFolder;
  const words = withOddNames(
    resolved([...spec.command, ...spec.args], environment, { cwd, spec }),
    spec.environment,
  );
  const command = withMounts({ ...spec, cwd }, withRights(spec.security, words), workFolder);
  return { command, environment, cwd: hasOwnView(spec) ? workFolder : cwd };
}

/** For one more process beside the one that runs. @throws DriverError where it cannot run so. */
export function execWords(
  container: HostProcess,
  { command, start }: { command: readonly string[]; start: StartRecord | undefined },
): ProcessWords {
  const { spec, workFolder } = container;
  const environment = environmentOf(container);
  const cwd = spec.workingDir ?? workFolder;
  const program = withOddNames(resolved(command, environment, { cwd, spec }), environment);
  const words = withRights(spec.security, program);
  if (!start || !hasOwnView(spec)) return { command: words, environment, cwd };
  return { command: inMountsOf(start.pid, cwd, words), environment, cwd: workFolder };
}

function environmentOf({ folder, spec, base, grouped }: HostProcess): Record<string, string> {
  return {
    ...base,
    ...spec.environment,
    // A host process has no /dev of its own to be told by.
    [terminationLogName]: join(folder.path, 'termination-log'),
    ...(grouped ? {} : { [markName]: folder.path }),
  };
}

/** What lies on a volume is found by the kernel, once the volume is there. */
function resolved(
  command: readonly string[],
  environment: Readonly<Record<string, string>>,
  { cwd, spec }: { cwd: string; spec: ContainerSpec },
): string[] {
  const [program = ''] = command;
  const onVolume = program.includes('/') && isMounted(resolve(cwd, program), spec.mounts);
  return onVolume ? [...command] : resolveProgram(command, environment, cwd);
}
