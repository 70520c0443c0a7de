import type { Job, JobCondition } from '../../../protocol/generated/models.ts';
import { timestamp } from '../../../protocol/kinds/stored-object.ts';

/** A Job's conditions: first the interim one that decides how it ends, the final one when nothing of it runs. Pure. */
export interface Verdict {
  type: 'FailureTarget' | 'SuccessCriteriaMet';
  reason: string;
  message: string;
}

export function conditionHolds({ status }: Readonly<Job>, type: string): boolean {
  return findCondition(status?.conditions, type)?.status === 'True';
}

export function isJobFinished(job: Readonly<Job>): boolean {
  return conditionHolds(job, 'Complete') || conditionHolds(job, 'Failed');
}

/** How the Job ends, when that has been decided already. */
export function verdictOf({ status }: Readonly<Job>): Verdict | undefined {
  for (const type of ['FailureTarget', 'SuccessCriteriaMet'] as const) {
    const found = findCondition(status?.conditions, type);
    if (found?.status === 'True') return { type, reason: found.reason ?? '', message: found.message ?? '' };
  }
  return undefined;
}

export function finalCondition({ type, reason, message }: Verdict): Omit<JobCondition, 'status'> {
  return { type: type === 'FailureTarget' ? 'Failed' : 'Complete', reason, message };
}

/** One that says the same stays as it was; one that is False is not begun with. */
export function withCondition(
  conditions: readonly JobCondition[],
  { type, status, reason, message }: JobCondition,
  nowMs: number,
): JobCondition[] {
  const before = findCondition(conditions, type);
  if (!before && status === 'False') return [...conditions];
  if (before?.status === status && before.reason === reason && before.message === message)
    return [...conditions];
  const now = timestamp(nowMs);
  const lastTransitionTime = before?.status === status ? (before.lastTransitionTime ?? now) : now;
  const condition: JobCondition = {
    type,
    status,
    lastProbeTime: now,
    lastTransitionTime,
    ...(reason === undefined ? {} : { reason }),
    ...(message === undefined ? {} : { message }),
  };
  return before ? conditions.map((one) => (one === before ? condition : one)) : [...conditions, condition];
}

function findCondition(
  conditions: readonly JobCondition[] | undefined,
  type: string,
): JobCondition | undefined {
  return conditions?.find((condition) => condition.type === type);
}
