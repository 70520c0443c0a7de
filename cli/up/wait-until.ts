import { type Clock, sleep } from '../../lib/clock.ts';
import { CommandError } from '../command.ts';

const pollMs = 50;

/** Asks `question` until it yields something. Fails after `timeoutMs` with `what` and whatever went wrong last. */
export async function waitUntil<T>(
  question: () => Promise<T | undefined>,
  options: { what: string; timeoutMs: number; clock: Clock; signal: AbortSignal },
): Promise<T> {
  const deadline = options.clock.monotonic() + options.timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const answer = await question();
      if (answer !== undefined) return answer;
    } catch (error) {
      last = error;
    }
    if (options.clock.monotonic() > deadline) {
      const why = last instanceof Error ? `: ${last.message}` : '';
      throw new CommandError(`${options.what} did not happen within ${options.timeoutMs / 1000} s${why}`, {
        cause: last,
      });
    }
    await sleep(options.clock, pollMs, options.signal);
  }
}
