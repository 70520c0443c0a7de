import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Clock, sleep } from '../../../lib/clock.ts';
import { sendSignal } from '../process-identity.ts';

/**
 * Files of control groups. Their absence or refusal only means that this kernel does not offer the thing. Level by level:
 * Node's own way of making all of them never ends where a file system says that a folder which it refuses is not there.
 */
export function makeFolder(folder: string): string | undefined {
  if (existsSync(folder)) return folder;
  if (makeFolder(dirname(folder)) === undefined) return undefined;
  try {
    mkdirSync(folder);
  } catch {
    return existsSync(folder) ? folder : undefined;
  }
  return folder;
}

export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

export function tryWrite(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch {
    return;
  }
}

export function tryRemove(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    return;
  }
}

const removalAttempts = 50;
const removalPauseMs = 10;

/** A group stays busy for a moment after its last process was killed. */
export async function removeGroup(folder: string, clock: Clock): Promise<void> {
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

export function parseNumbers(text: string): number[] {
  // 0 is a process outside of our own PID namespace.
  return text
    .split('\n')
    .map(Number)
    .filter((pid) => pid > 0);
}
