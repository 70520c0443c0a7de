import { ExecError, run } from '../../../lib/exec.ts';
import { DriverError } from '../errors.ts';

/**
 * A container engine, driven by the command line that podman, docker and nerdctl share. Nothing of it stays running
 * beside the agent, and no call may hang: each has a time limit.
 */
export interface Engine {
  readonly command: EngineCommand;
  readonly version: string;
  /** The low-level runtime, e.g. `runc`; '' when the engine does not say. */
  readonly runtime: string;
  readonly rootless: boolean;
  /** Where images lie; '' when the engine does not say. */
  readonly imageRoot: string;
  /** `cgroupfs`, `systemd`, or '' when the engine does not say. */
  readonly cgroupManager: string;
  readonly limitsCpu: boolean;
  readonly limitsMemory: boolean;
  readonly limitsPids: boolean;
}

export const engineCommands = ['podman', 'docker', 'nerdctl'] as const;
export type EngineCommand = (typeof engineCommands)[number];

/** Generous: an SD card under load makes an engine wait for many seconds. */
export const engineTimeoutMs = {
  info: 20_000,
  query: 30_000,
  change: 120_000,
  load: 120_000,
  pull: 60 * 60_000,
} as const;

export interface EngineCall {
  timeoutMs: number;
  input?: Uint8Array;
  signal?: AbortSignal;
  /** Added to our own environment. */
  environment?: Readonly<Record<string, string>>;
  /** Of control groups: the engine, and what it leaves running, is in them instead of in the agent's. */
  joinFiles?: readonly string[];
}

export interface EngineAnswer {
  exitCode: number;
  stdout: string;
  /** The engine's own words without its progress chatter. */
  message: string;
}

/**
 * Runs one engine command to its end. A failing exit code is an answer.
 * @throws DriverError `RuntimeUnavailable` when the engine is not there or does not answer in time; ExecError `Aborted`.
 */
export async function callEngine(
  command: string,
  args: readonly string[],
  { environment, joinFiles = [], ...options }: EngineCall,
): Promise<EngineAnswer> {
  const [program = command, ...words] = joining(joinFiles, [command, ...args]);
  try {
    const { exitCode, stdout, stderr } = await run(program, words, {
      ...options,
      environment: environment ? { ...ownEnvironment(), ...environment } : undefined,
    });
    return { exitCode, stdout, message: errorMessage(stderr) };
  } catch (cause) {
    if (!(cause instanceof ExecError) || cause.code === 'Aborted') throw cause;
    const what = `${command} ${args[0] ?? ''}`;
    const problem = cause.code === 'TimedOut' ? `no answer within ${options.timeoutMs} ms` : cause.message;
    throw new DriverError('RuntimeUnavailable', `${what}: ${problem}`, { cause });
  }
}

const joinScript = `
for file in $1; do echo 0 2> /dev/null > "$file"; done
shift
exec "$@"
`;

function joining(files: readonly string[], words: readonly string[]): readonly string[] {
  if (files.length === 0) return words;
  return ['/bin/sh', '-c', joinScript, 'flotilla-engine', files.join(' '), ...words];
}

/** An engine that tries one way after the other tells of the last one. */
const noSpace = 'no space left on device: ';

/** The last error line, or everything when there is none. */
export function errorMessage(stderr: string): string {
  const lines = stderr
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('See '));
  const told = lines.findLast((line) => /^error/i.test(line)) ?? lines.join('; ');
  const cause = /no space left on device/.test(stderr) && !told.includes('no space') ? noSpace : '';
  return cause + told.replace(/^Error(?: response from daemon)?: (?:Error response from daemon: )?/, '');
}

function ownEnvironment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

export type EngineFinding =
  | { engine: Engine }
  | { engine: undefined; command: EngineCommand; reason: string };

/** Asks the engine about itself. A client whose daemon does not run is no engine. */
export async function findEngine(command: EngineCommand): Promise<EngineFinding> {
  try {
    const answer = await callEngine(command, ['info', '--format', '{{json .}}'], {
      timeoutMs: engineTimeoutMs.info,
    });
    if (answer.exitCode !== 0) return { engine: undefined, command, reason: answer.message };
    return parseEngineInfo(command, answer.stdout);
  } catch (error) {
    if (!(error instanceof DriverError)) throw error;
    const absent = error.cause instanceof ExecError && error.cause.code === 'NotFound';
    return { engine: undefined, command, reason: absent ? 'not installed' : error.message };
  }
}

interface PodmanInfo {
  host: {
    cgroupManager?: string;
    cgroupControllers?: string[] | null;
    ociRuntime?: { name?: string };
    security?: { rootless?: boolean };
  };
  version: { Version: string };
  store?: { graphRoot?: string };
}

/** nerdctl answers in docker's form. */
interface DockerInfo {
  ServerVersion?: string;
  ServerErrors?: string[];
  DefaultRuntime?: string;
  SecurityOptions?: string[] | null;
  MemoryLimit?: boolean;
  CpuCfsQuota?: boolean;
  PidsLimit?: boolean;
  CgroupDriver?: string;
  DockerRootDir?: string;
}

/** From the text of `info --format '{{json .}}'`. */
export function parseEngineInfo(command: EngineCommand, text: string): EngineFinding {
  let info: unknown;
  try {
    info = JSON.parse(text);
  } catch {
    return { engine: undefined, command, reason: `does not tell about itself: ${text.slice(0, 200)}` };
  }
  return command === 'podman' ? fromPodman(info as PodmanInfo) : fromDocker(command, info as DockerInfo);
}

function fromPodman({ host, version, store }: PodmanInfo): EngineFinding {
  const controllers = host.cgroupControllers ?? [];
  return {
    engine: {
      command: 'podman',
      version: version.Version,
      runtime: host.ociRuntime?.name ?? '',
      rootless: host.security?.rootless === true,
      imageRoot: store?.graphRoot ?? '',
      cgroupManager: host.cgroupManager ?? '',
      limitsCpu: controllers.includes('cpu'),
      limitsMemory: controllers.includes('memory'),
      limitsPids: controllers.includes('pids'),
    },
  };
}

function fromDocker(command: EngineCommand, info: DockerInfo): EngineFinding {
  if (!info.ServerVersion)
    return { engine: undefined, command, reason: info.ServerErrors?.[0] ?? 'its daemon does not answer' };
  return {
    engine: {
      command,
      version: info.ServerVersion,
      runtime: info.DefaultRuntime ?? '',
      rootless: (info.SecurityOptions ?? []).some((option) => option.includes('rootless')),
      imageRoot: info.DockerRootDir ?? '',
      cgroupManager: info.CgroupDriver ?? '',
      limitsCpu: info.CpuCfsQuota === true,
      limitsMemory: info.MemoryLimit === true,
      limitsPids: info.PidsLimit === true,
    },
  };
}

/** E.g. `podman 5.4.2 with runc, rootless (memory limits are not enforced)`. */
export function describeEngine(engine: Engine): string {
  const missing = [...(engine.limitsCpu ? [] : ['cpu']), ...(engine.limitsMemory ? [] : ['memory'])];
  return [
    `${engine.command} ${engine.version}`,
    engine.runtime && ` with ${engine.runtime}`,
    engine.rootless && ', rootless',
    missing.length > 0 && ` (${missing.join(' and ')} limits are not enforced)`,
  ]
    .filter(Boolean)
    .join('');
}
