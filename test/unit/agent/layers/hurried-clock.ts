import { type Clock, systemClock } from '../../../../lib/clock.ts';

/** Nobody waits longer than a moment to try again; what watches over long times still does. */
export function hurriedClock(): Clock {
  let calls = 0;
  return {
    monotonic: () => systemClock.monotonic(),
    // Never the same twice, so that what was used later can be told.
    now: () => systemClock.now() + (calls += 1),
    after: (delayMs, task, options) => systemClock.after(delayMs < 30_000 ? 0 : delayMs, task, options),
  };
}
