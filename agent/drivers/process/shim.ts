import { accessSync, closeSync, constants, openSync, statSync } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { type Clock, sleep } from '../../../lib/clock.ts';
import { type ChildExit, spawnDetached } from '../../../lib/exec.ts';
import { DriverError } from '../errors.ts';
import { type ContainerFolder, readStart, type StartRecord } from './container-folder.ts';

/**
 * A few hundred kilobytes of /bin/sh that stay beside each process, in a session of their own, to see its end when
 * the agent does not. Shell builtins only, so that nothing but the workload is ever executed.
 *
 * It claims the container (so a start that is repeated after a crash runs nothing twice), joins the control groups,
 * writes `pid`, becomes the command in a subshell, waits, kills what the command left behind and writes `exit`. A
 * trap with a command makes it outlive signals to the group, and is reset to the default in the subshell. An agent that
 * died meanwhile does not hear that it started, which is no reason to end. Each file is one write of one line: a reader
 * believes nothing without its newline.
 *
 * Arguments: folder, the groups' files to join (space-separated), the group's kill file, the score
 * by which the kernel picks whom to kill for memory, who tells that it started ('' the shim, else the command by
 * way of its descriptor 4), then the command.
 */
export const shimScript = `
__fl_dir=$1 __fl_join=$2 __fl_kill=$3 __fl_oom=$4 __fl_teller=$5
shift 5
trap : HUP INT QUIT TERM USR1 USR2 PIPE ALRM TSTP TTIN TTOU
set -C
: > "$__fl_dir/claim"
set +C
(
  for __fl_file in $__fl_join; do echo 0 > "$__fl_file"; done
  [ -z "$__fl_oom" ] || echo "$__fl_oom" 2> /dev/null > /proc/self/oom_score_adj
  read -r __fl_pid __fl_2 __fl_3 __fl_4 __fl_5 __fl_6 __fl_7 __fl_8 __fl_9 __fl_10 __fl_11 __fl_12 __fl_13 __fl_14 __fl_15 \\
    __fl_16 __fl_17 __fl_18 __fl_19 __fl_20 __fl_21 __fl_start __fl_rest < /proc/self/stat
  read -r __fl_boot < /proc/sys/kernel/random/boot_id
  echo "$__fl_pid $__fl_start $__fl_boot $$" > "$__fl_dir/pid" || exit 128
  [ -z "$__fl_teller" ] || exec "$@" 4>&1 >&3 2>&3 3>&-
  trap '' PIPE
  echo started 2> /dev/null
  trap - PIPE
  exec "$@" >&3 2>&3 3>&-
)
__fl_code=$?
[ -z "$__fl_kill" ] || echo 1 > "$__fl_kill"
echo "$__fl_code" > "$__fl_dir/exit"
`;

/** How long another shim, started by an agent that died at once, gets to write its `pid`. */
const claimWaitMs = 500;
const claimPauseMs = 20;

export interface ShimOptions {
  folder: ContainerFolder;
  /** Found: `resolveProgram`, `withOddNames`. */
  command: readonly string[];
  environment: Readonly<Record<string, string>>;
  cwd: string;
  joinFiles: readonly string[];
  killFile: string;
  /** '' for the agent's own. */
  oomScoreAdjust: string;
  /** It tells by itself, on its descriptor 4, that it has begun. */
  tells: boolean;
  clock: Clock;
}

export interface StartedShim {
  start: StartRecord;
  /** Absent when another shim, not a child of ours, runs it. */
  exit: Promise<ChildExit> | undefined;
}

/**
 * Resolves when the command runs and this is on disk.
 * @throws DriverError `RunContainerError` when it cannot be started; the words are those Kubernetes users know.
 */
export async function startShim(options: ShimOptions): Promise<StartedShim> {
  const { folder, environment, cwd, clock } = options;
  const earlier = await awaitEarlierClaim(folder, clock);
  if (earlier) return { start: earlier, exit: undefined };
  requireFolder(cwd);
  const log = openSync(join(folder.path, 'log'), 'a', 0o600);
  try {
    const child = await spawnDetached(
      '/bin/sh',
      [
        '-c',
        shimScript,
        'flotilla-shim',
        folder.path,
        options.joinFiles.join(' '),
        options.killFile,
        options.oomScoreAdjust,
        options.tells ? 'command' : '',
        ...options.command,
      ],
      { environment, cwd, inherit: [log] },
    );
    await child.firstOutput;
    const start = readStart(folder);
    if (!start)
      throw new DriverError('RunContainerError', `the shim in ${folder.path} ended before the command began`);
    return { start, exit: child.exit };
  } finally {
    closeSync(log);
  }
}

/** The rare case that an agent died between starting a shim and seeing it start. */
async function awaitEarlierClaim(folder: ContainerFolder, clock: Clock): Promise<StartRecord | undefined> {
  const claim = join(folder.path, 'claim');
  for (let waited = 0; exists(claim) && waited < claimWaitMs; waited += claimPauseMs) {
    const start = readStart(folder);
    if (start) return start;
    await sleep(clock, claimPauseMs);
  }
  await unlink(claim).catch(() => {});
  return readStart(folder);
}

function exists(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false }) !== undefined;
}

function requireFolder(cwd: string): void {
  let problem = 'not a directory';
  try {
    if (statSync(cwd).isDirectory()) return;
  } catch (error) {
    problem = codeOf(error) === 'EACCES' ? 'permission denied' : 'no such file or directory';
  }
  throw new DriverError('RunContainerError', `chdir to cwd (${JSON.stringify(cwd)}): ${problem}`);
}

/**
 * A shell drops variables whose names it could not use itself; Kubernetes allows dots and dashes, so `env` hands
 * those on.
 */
export function withOddNames(
  command: readonly string[],
  environment: Readonly<Record<string, string>>,
): string[] {
  const odd = Object.entries(environment).filter(([name]) => !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name));
  if (odd.length === 0) return [...command];
  return ['/usr/bin/env', ...odd.map(([name, value]) => `${name}=${value}`), ...command];
}

/** Finds the program as execvp would, to refuse a wrong one with a clear message before anything starts. */
export function resolveProgram(
  command: readonly string[],
  environment: Readonly<Record<string, string>>,
  cwd: string,
): string[] {
  const [program, ...args] = command;
  if (program === undefined || program === '')
    throw new DriverError('RunContainerError', 'no command: a host process has no image to take one from');
  const candidates = program.includes('/')
    ? [resolve(cwd, program)]
    : (environment['PATH'] ?? '').split(delimiter).map((folder) => resolve(cwd, folder, program));
  const found = candidates.map((file) => ({ file, problem: problemOf(file) }));
  const usable = found.find(({ problem }) => problem === undefined);
  if (usable) return [program.includes('/') ? program : usable.file, ...args];
  const named = program.includes('/');
  const denied = found.some(({ problem }) => problem === 'denied' || (named && problem === 'hidden'));
  const absence = named ? 'no such file or directory' : 'executable file not found in $PATH';
  const reason = denied ? 'permission denied' : absence;
  throw new DriverError('RunContainerError', `exec: ${JSON.stringify(program)}: ${reason}`);
}

/** `hidden`: in a folder that we may not enter. */
function problemOf(file: string): 'absent' | 'hidden' | 'denied' | undefined {
  try {
    if (!statSync(file).isFile()) return 'absent';
  } catch (error) {
    return codeOf(error) === 'EACCES' ? 'hidden' : 'absent';
  }
  try {
    accessSync(file, constants.X_OK);
    return undefined;
  } catch {
    return 'denied';
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
