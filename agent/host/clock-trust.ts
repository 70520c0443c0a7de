import { existsSync } from 'node:fs';

/** No clock that shows an earlier time can be right: this code did not exist. */
const earliestMs = Date.UTC(2026, 0, 1);
/** systemd-timesyncd makes this once it has heard of a time server since boot. */
const synchronizedMark = '/run/systemd/timesync/synchronized';

/** Whether the wall clock was likely set by somebody who knows; boards without a clock chip start in 1970. */
export function clockTrusted(wallMs: number, exists: (path: string) => boolean = existsSync): boolean {
  return wallMs >= earliestMs || exists(synchronizedMark);
}
