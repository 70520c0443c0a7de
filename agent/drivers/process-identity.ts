import { readdirSync, readFileSync } from 'node:fs';

/**
 * A process that cannot be mistaken for a later one with the same number: its start time (field 22 of
 * /proc/<pid>/stat, ticks since boot) and the boot go with it.
 */
export interface ProcessIdentity {
  pid: number;
  startTicks: number;
  bootId: string;
}

export interface ProcessStat {
  pid: number;
  parentPid: number;
  group: number;
  session: number;
  startTicks: number;
  /** It has ended and only waits for its parent to take note. */
  zombie: boolean;
}

export function currentBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** Undefined when there is no such process. */
export function readProcessStat(pid: number): ProcessStat | undefined {
  try {
    return parseProcessStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return undefined;
  }
}

/** proc_pid_stat(5). The program's name, in parentheses, may itself hold spaces and parentheses. */
export function parseProcessStat(text: string): ProcessStat | undefined {
  const afterName = text.lastIndexOf(') ');
  const fields = text.slice(afterName + 2).split(' ');
  const stat = {
    pid: Number.parseInt(text, 10),
    parentPid: Number(fields[1]),
    group: Number(fields[2]),
    session: Number(fields[3]),
    startTicks: Number(fields[19]),
    zombie: fields[0] === 'Z' || fields[0] === 'X',
  };
  return afterName > 0 && Number.isInteger(stat.startTicks) ? stat : undefined;
}

export function isAlive(identity: ProcessIdentity, bootId: string): boolean {
  if (identity.bootId !== bootId) return false;
  const stat = readProcessStat(identity.pid);
  return stat !== undefined && !stat.zombie && stat.startTicks === identity.startTicks;
}

/** Every process that has not ended. */
export function allProcesses(): ProcessStat[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => readProcessStat(Number(name)))
    .filter((stat) => stat !== undefined && !stat.zombie) as ProcessStat[];
}

/** Whether the process was started with this variable; false for processes we may not look at. */
export function hasEnvironment(pid: number, assignment: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(assignment);
  } catch {
    return false;
  }
}

/** @returns false when the process is gone already. 0 and -1 would mean our own group, or everybody. */
export function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  if (pid === 0 || pid === -1) return false;
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
    throw error;
  }
}
