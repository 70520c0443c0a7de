import { parseCron } from '../../../protocol/cron-schedule.ts';
import type { MaintenanceWindow } from '../../../protocol/kinds/rollout-policy.ts';
import { nextTime } from '../cron-job/schedule-times.ts';

export interface WindowState {
  open: boolean;
  /** When that may be different, milliseconds since 1970; undefined when never. */
  changesAtMs: number | undefined;
}

/** Whether pods may be replaced now. Without windows they always may. Pure. */
export function windowState(
  windows: readonly Readonly<MaintenanceWindow>[] | undefined,
  nowMs: number,
): WindowState {
  if (!windows || windows.length === 0) return { open: true, changesAtMs: undefined };
  const states = windows.map((window) => stateOf(window, nowMs));
  const open = states.filter((state) => state.open);
  const times = (open.length > 0 ? open : states).flatMap(({ changesAtMs }) => changesAtMs ?? []);
  return { open: open.length > 0, changesAtMs: times.length > 0 ? Math.min(...times) : undefined };
}

function stateOf(window: Readonly<MaintenanceWindow>, nowMs: number): WindowState {
  const { schedule, durationSeconds, timeZone = 'UTC' } = window;
  const clocked = { schedule: parseCron(schedule), timeZone };
  const opened = nextTime(clocked, nowMs - durationSeconds * 1000);
  if (opened === undefined || opened > nowMs) return { open: false, changesAtMs: opened };
  return { open: true, changesAtMs: opened + durationSeconds * 1000 };
}
