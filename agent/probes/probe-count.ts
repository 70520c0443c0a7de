import type { Outcome } from './take-action.ts';

/** Equal results in a row, and what they were last taken to mean. Plain data; see `countResult`. */
export interface ProbeCount {
  last: 'success' | 'failure' | undefined;
  inARow: number;
  /** Undefined until there were enough of one kind. */
  healthy: boolean | undefined;
}

export interface Thresholds {
  successThreshold: number;
  failureThreshold: number;
}

/** One result more. What could not be tried says nothing; a warning is a success that has something to say. */
export function countResult(
  count: ProbeCount,
  result: Outcome['result'],
  { successThreshold, failureThreshold }: Thresholds,
): ProbeCount {
  if (result === 'unknown') return count;
  const last = result === 'failure' ? 'failure' : 'success';
  const inARow = count.last === last ? count.inARow + 1 : 1;
  const enough = inARow >= (last === 'success' ? successThreshold : failureThreshold);
  return { last, inARow, healthy: enough ? last === 'success' : count.healthy };
}
