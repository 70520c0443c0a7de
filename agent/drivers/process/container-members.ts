import { constants } from 'node:os';
import {
  allProcesses,
  hasEnvironment,
  isAlive,
  type ProcessStat,
  readProcessStat,
  sendSignal,
} from '../process-identity.ts';
import type { ContainerFolder, StartRecord } from './container-folder.ts';

/** In the environment of each process of a container without control groups. */
export const markName = 'FLOTILLA_CONTAINER';

/** Whether the shim that was started then is still there. */
export function shimAlive(start: StartRecord, bootId: string): boolean {
  if (start.bootId !== bootId) return false;
  const stat = readProcessStat(start.shimPid);
  return (
    stat !== undefined &&
    !stat.zombie &&
    stat.session === start.shimPid &&
    stat.startTicks <= start.startTicks
  );
}

/**
 * SIGTERM to the whole process group; the shim, its leader, shrugs it off. A process that left the group is asked
 * by itself.
 */
export function askToEnd(start: StartRecord, bootId: string, stopSignal: string | undefined): void {
  const signal = signalOf(stopSignal);
  const grouped = shimAlive(start, bootId);
  if (grouped) sendSignal(-start.shimPid, signal);
  if (!isAlive(start, bootId)) return;
  if (!grouped || readProcessStat(start.pid)?.group !== start.shimPid) sendSignal(start.pid, signal);
}

/** SIGTERM for what this kernel does not know; images may say a number. */
export function signalOf(stopSignal: string | undefined): NodeJS.Signals {
  const byNumber = Object.entries(constants.signals).find(([, number]) => String(number) === stopSignal)?.[0];
  const name = byNumber ?? stopSignal ?? '';
  return Object.keys(constants.signals).includes(name) ? (name as NodeJS.Signals) : 'SIGTERM';
}

/**
 * Without control groups: the shim's session, everything begotten by it or by the command, and whatever carries the
 * container's mark. Numbers count only while their owners live: a later process may have them.
 */
export function membersBySession(folder: ContainerFolder, start: StartRecord, bootId: string): number[] {
  const everything = allProcesses();
  const mark = `${markName}=${folder.path}`;
  const session = shimAlive(start, bootId) ? start.shimPid : undefined;
  const ours = new Set<number>(isAlive(start, bootId) ? [start.pid] : []);
  const belongs = (stat: ProcessStat) =>
    stat.session === session ||
    stat.parentPid === session ||
    ours.has(stat.parentPid) ||
    hasEnvironment(stat.pid, mark);
  for (const stat of everything) if (belongs(stat)) ours.add(stat.pid);
  return [...ours].filter((pid) => pid !== session);
}
