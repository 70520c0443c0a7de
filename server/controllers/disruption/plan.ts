import type {
  Condition,
  Pod,
  PodDisruptionBudget,
  PodDisruptionBudgetStatus,
} from '../../../protocol/generated/models.ts';
import { resolveIntOrPercent } from '../../../protocol/kinds/int-or-percent.ts';
import { timestamp } from '../../../protocol/kinds/stored-object.ts';
import { isPodReady } from '../pod-state.ts';
import type { Tally } from './budget-tallies.ts';

/**
 * How many of a budget's pods may be evicted now. Pure (source: pkg/controller/disruption). Rules: a pod that was granted
 * an eviction counts as gone until it is, or until two minutes have passed; a budget that cannot be worked out allows
 * none; one that matched no pods yet allows none either.
 */
export interface BudgetFacts {
  tally: Pick<Tally, 'total' | 'healthy'>;
  /** One of those that the budget selects. */
  podNamed: (name: string) => Readonly<Pod> | undefined;
  /** How many its controllers want, and how many pods have none; or why that cannot be said. */
  scale: { expected: number; unmanaged: number } | { failure: string };
  nowMs: number;
}

export interface BudgetPlan {
  status: PodDisruptionBudgetStatus;
  /** Granted an eviction that never came. */
  notDeleted: readonly Readonly<Pod>[];
  wakeAfterMs: number | undefined;
}

/** An eviction that was granted should be a deletion by then. */
const deletionTimeoutMs = 2 * 60_000;

/** Whether the budget asks for a share of the wanted number, and not for a number of pods. */
export function needsScale({ spec }: Readonly<PodDisruptionBudget>): boolean {
  return spec?.maxUnavailable !== undefined || typeof spec?.minAvailable === 'string';
}

export function planBudget(budget: Readonly<PodDisruptionBudget>, facts: BudgetFacts): BudgetPlan {
  const { scale, tally, nowMs } = facts;
  if ('failure' in scale) {
    const condition = { status: 'False', reason: 'SyncFailed', message: scale.failure };
    const status = withCondition(budget, { ...budget.status, disruptionsAllowed: 0 }, { condition, nowMs });
    return { status, notDeleted: [], wakeAfterMs: undefined };
  }
  const { expectedPods, desiredHealthy } = wanted(budget, scale.expected, tally.total);
  const { disrupted, leaving, notDeleted, wakeAfterMs } = disruptedPods(budget, facts);
  const healthy = tally.healthy - leaving;
  const spare = healthy - desiredHealthy;
  const disruptionsAllowed = expectedPods <= 0 ? 0 : Math.max(0, spare);
  const status: PodDisruptionBudgetStatus = {
    ...(disrupted.size > 0 ? { disruptedPods: Object.fromEntries(disrupted) } : {}),
    currentHealthy: healthy,
    desiredHealthy,
    expectedPods,
    disruptionsAllowed,
    observedGeneration: budget.metadata?.generation ?? 0,
    ...(budget.status?.conditions ? { conditions: budget.status.conditions } : {}),
  };
  const condition =
    disruptionsAllowed > 0
      ? { status: 'True', reason: 'SufficientPods', message: '' }
      : { status: 'False', reason: 'InsufficientPods', message: '' };
  return { status: withCondition(budget, status, { condition, nowMs }), notDeleted, wakeAfterMs };
}

function wanted(
  { spec }: Readonly<PodDisruptionBudget>,
  scale: number,
  pods: number,
): { expectedPods: number; desiredHealthy: number } {
  const { minAvailable, maxUnavailable } = spec ?? {};
  if (maxUnavailable !== undefined) {
    const missing = resolveIntOrPercent(maxUnavailable, scale, Math.ceil);
    return { expectedPods: scale, desiredHealthy: Math.max(0, scale - missing) };
  }
  if (minAvailable === undefined) return { expectedPods: 0, desiredHealthy: 0 };
  if (typeof minAvailable === 'number') return { expectedPods: pods, desiredHealthy: minAvailable };
  return { expectedPods: scale, desiredHealthy: resolveIntOrPercent(minAvailable, scale, Math.ceil) };
}

/** `leaving`: so many of the healthy ones were granted an eviction. */
function disruptedPods(
  { status }: Readonly<PodDisruptionBudget>,
  { podNamed, nowMs }: Pick<BudgetFacts, 'podNamed' | 'nowMs'>,
) {
  const disrupted = new Map<string, string>();
  const notDeleted: Readonly<Pod>[] = [];
  let leaving = 0;
  let wakeAfterMs: number | undefined;
  for (const [name, since] of Object.entries(status?.disruptedPods ?? {})) {
    const pod = podNamed(name);
    if (!pod || pod.metadata?.deletionTimestamp !== undefined) continue;
    const left = Date.parse(since) + deletionTimeoutMs - nowMs;
    if (left < 0) {
      notDeleted.push(pod);
      continue;
    }
    disrupted.set(name, since);
    if (isPodReady(pod)) leaving += 1;
    wakeAfterMs = Math.min(wakeAfterMs ?? left + 1, left + 1);
  }
  return { disrupted, leaving, notDeleted, wakeAfterMs };
}

function withCondition(
  budget: Readonly<PodDisruptionBudget>,
  status: PodDisruptionBudgetStatus,
  { condition, nowMs }: { condition: Pick<Condition, 'status' | 'reason' | 'message'>; nowMs: number },
): PodDisruptionBudgetStatus {
  const type = 'DisruptionAllowed';
  const before = status.conditions?.find((one) => one.type === type);
  const others = (status.conditions ?? []).filter((one) => one !== before);
  const lastTransitionTime =
    before?.status === condition.status ? before.lastTransitionTime : timestamp(nowMs);
  const observedGeneration = budget.metadata?.generation ?? 0;
  return {
    ...status,
    conditions: [...others, { type, ...condition, lastTransitionTime, observedGeneration }],
  };
}
