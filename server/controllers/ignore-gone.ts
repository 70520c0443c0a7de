import { isStatus } from '../../protocol/status.ts';

/** For `.catch`: the object went away or became another one meanwhile, and its events say the rest. */
export function ignoreGone(error: unknown): undefined {
  if (isStatus(error, 'NotFound') || isStatus(error, 'Conflict')) return undefined;
  throw error;
}
