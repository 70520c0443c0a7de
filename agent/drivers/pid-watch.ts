import type { Clock, Timer } from '../../lib/clock.ts';
import { readProcessStat } from './process-identity.ts';

/**
 * Notices that processes which are not our children have ended, without a program kept running for it: their start
 * times in /proc are compared on a timer that exists only while something is watched.
 */
export interface PidWatch extends Disposable {
  /**
   * Watches until `onGone` was called, once per call of this; a second call for the same key replaces the first. A
   * process whose number is not known yet is "gone" at the next look, so that somebody finds out.
   */
  add(key: string, pid: number | undefined): void;
  delete(key: string): void;
}

export interface PidWatchOptions {
  clock: Clock;
  intervalMs: number;
  /** When a process cannot be seen at all (another host's, another namespace's) it is "gone" this often. */
  unseenIntervalMs: number;
  onGone: (key: string) => void;
}

interface Watched {
  pid: number | undefined;
  /** Undefined: there was no such process when it was added. */
  startTicks: number | undefined;
  checkAtMs: number;
}

export function createPidWatch({ clock, intervalMs, unseenIntervalMs, onGone }: PidWatchOptions): PidWatch {
  const watched = new Map<string, Watched>();
  const neverSeen = new Set<string>();
  let timer: Timer | undefined;

  const look = () => {
    timer = undefined;
    const now = clock.monotonic();
    const gone = [...watched].filter(
      ([, { pid, startTicks, checkAtMs }]) => now >= checkAtMs && !stillThere(pid, startTicks),
    );
    for (const [key] of gone) watched.delete(key);
    for (const [key] of gone) onGone(key);
    arm();
  };
  const arm = () => {
    if (!timer && watched.size > 0) timer = clock.after(intervalMs, look, { unref: true });
  };

  return {
    add(key, pid) {
      const startTicks = pid === undefined ? undefined : readProcessStat(pid)?.startTicks;
      // The first time it has probably just ended; afterwards it is out of sight, and asking often would cost
      // without use.
      const delayMs = startTicks === undefined && neverSeen.has(key) ? unseenIntervalMs : 0;
      if (startTicks !== undefined) neverSeen.delete(key);
      else if (pid !== undefined) neverSeen.add(key);
      watched.set(key, { pid, startTicks, checkAtMs: clock.monotonic() + delayMs });
      arm();
    },
    delete(key) {
      watched.delete(key);
      neverSeen.delete(key);
    },
    [Symbol.dispose]() {
      timer?.cancel();
      watched.clear();
    },
  };
}

function stillThere(pid: number | undefined, startTicks: number | undefined): boolean {
  if (pid === undefined) return false;
  const stat = readProcessStat(pid);
  return stat !== undefined && !stat.zombie && stat.startTicks === startTicks;
}
