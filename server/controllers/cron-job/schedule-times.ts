import type { CronSchedule } from '../../../protocol/cron-schedule.ts';

/** When a cron schedule comes due, on the clocks of a time zone. Pure; instants are milliseconds since 1970. */
export interface Clocked {
  schedule: CronSchedule;
  /** An IANA name. */
  timeZone: string;
}

const minuteMs = 60_000;
const dayMinutes = 24 * 60;
/** A schedule that does not come due for so long (30 February) never does. */
const horizonDays = 5 * 366;

/** The first time after `afterMs`; undefined when there is none. An hour that a clock skips is skipped. */
export function nextTime({ schedule, timeZone }: Clocked, afterMs: number): number | undefined {
  if (schedule.everyMs !== undefined) return Math.floor(afterMs / 1000) * 1000 + schedule.everyMs;
  const read = wallReader(timeZone);
  let at = Math.floor(afterMs / minuteMs) * minuteMs + minuteMs;
  const horizonMs = at + horizonDays * dayMinutes * minuteMs;
  while (at < horizonMs) {
    const wall = read(at);
    if (!schedule.months.includes(wall.month) || !isDay(schedule, wall)) {
      at = startOfNextDay(read, at, wall);
    } else if (!schedule.hours.includes(wall.hour)) {
      at += (60 - wall.minute) * minuteMs;
    } else {
      const minute = schedule.minutes.find((allowed) => allowed >= wall.minute);
      if (minute === wall.minute) return at;
      at += ((minute ?? 60) - wall.minute) * minuteMs;
    }
  }
  return undefined;
}

/** The latest time in (`afterMs`, `nowMs`], and how many there were in all, roughly. */
export function latestTime(
  clocked: Clocked,
  { afterMs, nowMs }: { afterMs: number; nowMs: number },
): { atMs: number; missed: number } | undefined {
  const first = nextTime(clocked, afterMs);
  if (first === undefined || first > nowMs) return undefined;
  const second = nextTime(clocked, first);
  if (second === undefined || second > nowMs) return { atMs: first, missed: 1 };
  const distance = second - first;
  // Years may lie between: look back from now, further each time, rather than walk there.
  for (let back = 2 * distance; ; back *= 2) {
    const from = Math.max(first, nowMs - back);
    const found = from === first ? first : nextTime(clocked, from);
    if (found === undefined || found > nowMs) continue;
    return { atMs: lastUpTo(clocked, found, nowMs), missed: Math.floor((nowMs - first) / distance) + 1 };
  }
}

function lastUpTo(clocked: Clocked, fromMs: number, nowMs: number): number {
  let last = fromMs;
  for (
    let next = nextTime(clocked, last);
    next !== undefined && next <= nowMs;
    next = nextTime(clocked, last)
  ) {
    last = next;
  }
  return last;
}

interface Wall {
  year: number;
  month: number;
  day: number;
  /** Sunday is 0. */
  weekday: number;
  hour: number;
  minute: number;
}

type WallReader = (atMs: number) => Wall;

function isDay({ daysOfMonth, daysOfWeek, bothDays }: CronSchedule, { day, weekday }: Wall): boolean {
  const [ofMonth, ofWeek] = [daysOfMonth.includes(day), daysOfWeek.includes(weekday)];
  return bothDays ? ofMonth && ofWeek : ofMonth || ofWeek;
}

/** Days have 23 or 25 hours now and then, and may begin at one. */
function startOfNextDay(read: WallReader, at: number, { year, month, day, hour, minute }: Wall): number {
  const isToday = (wall: Wall) => wall.year === year && wall.month === month && wall.day === day;
  let next = at + (dayMinutes - hour * 60 - minute) * minuteMs;
  while (isToday(read(next))) next += 30 * minuteMs;
  const wall = read(next);
  const midnight = next - (wall.hour * 60 + wall.minute) * minuteMs;
  return isToday(read(midnight)) || midnight <= at ? next : midnight;
}

function wallReader(timeZone: string): WallReader {
  if (timeZone === 'UTC') return readUtc;
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
  });
  return (atMs) => {
    const parts = format.formatToParts(atMs);
    const read = (type: string) => Number(parts.find((part) => part.type === type)?.value);
    const [year, month, day] = [read('year'), read('month'), read('day')];
    const weekday = new Date(Date.UTC(year, month - 1, day)).getUTCDay();
    return { year, month, day, weekday, hour: read('hour'), minute: read('minute') };
  };
}

function readUtc(atMs: number): Wall {
  const date = new Date(atMs);
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    weekday: date.getUTCDay(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
  };
}
