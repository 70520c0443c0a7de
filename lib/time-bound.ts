import { createContext, Script } from 'node:vm';

/** The work took longer than it was given. */
export class TimeBoundError extends Error {
  readonly code = 'ERR_TIME_BOUND';

  constructor(milliseconds: number, options?: { cause?: unknown }) {
    super(`stopped after ${milliseconds} ms`, options);
    this.name = 'TimeBoundError';
  }
}

/** Runs synchronous work that others had a hand in (their patterns, their rules) and stops it when its time is over. */
export interface TimeBound {
  /** Returns what `work` returns and throws what it throws; TimeBoundError when it runs longer than `milliseconds`. */
  run<R>(work: () => R, milliseconds: number): R;
}

/** Costs about a quarter of a millisecond a run, for the thread that watches the time. */
export function createTimeBound(): TimeBound {
  const holder: { work?: () => unknown } = {};
  const context = createContext(holder);
  const script = new Script('work()');
  return {
    run<R>(work: () => R, milliseconds: number): R {
      // Kept for the case that the work itself comes here again.
      const outer = holder.work;
      holder.work = work;
      try {
        return script.runInContext(context, { timeout: milliseconds }) as R;
      } catch (error) {
        if (isTimeout(error)) throw new TimeBoundError(milliseconds, { cause: error });
        throw error;
      } finally {
        if (outer) holder.work = outer;
        else delete holder.work;
      }
    },
  };
}

function isTimeout(error: unknown): boolean {
  return (
    typeof error === 'object' &&
    error !== null &&
    'code' in error &&
    error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT'
  );
}
