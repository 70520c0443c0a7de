/**
 * Time and randomness as values that are passed in, so that a simulation can own them.
 * Nothing outside lib/ reads the wall clock, sets a timer or rolls a die by itself (a lint rule holds this).
 */
export interface Clock {
  /** Wall clock, milliseconds since 1970. May jump; never orders anything. */
  now(): number;
  /** Milliseconds that only ever grow; for durations and back-off. */
  monotonic(): number;
  /** Calls `task` once after `delayMs`. A pending timer does not keep the process alive if `unref` is set. */
  after(delayMs: number, task: () => void, options?: { unref?: boolean }): Timer;
}

export interface Timer {
  cancel(): void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic() {
    // Not `performance`, whose module would be loaded for it: 0.4 MB of an agent's memory.
    const [seconds, nanoseconds] = process.hrtime();
    return seconds * 1_000 + nanoseconds / 1e6;
  },
  after(delayMs, task, options) {
    const handle = setTimeout(task, Math.min(delayMs, delayMsMax));
    if (options?.unref) handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
};

/** Longest delay a Node timer can hold; a longer one would fire at once. */
const delayMsMax = 2 ** 31 - 1;

/** Resolves after `delayMs`; rejects with the signal's reason when aborted first. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(abortReason(signal));
    const onAbort = () => {
      timer.cancel();
      reject(abortReason(signal));
    };
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

function abortReason(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  return reason instanceof Error ? reason : new Error('aborted', { cause: reason });
}
