import type {
  Condition,
  Pod,
  PodDisruptionBudget,
  PodDisruptionBudgetStatus,
} from '../../../protocol/generated/models.ts';
import { resolveIntOrPercent } from '../../../protocol/kinds/int-or-percent.ts';
import { storedMeta, timestamp } from '../../../protocol/kinds/stored-object.ts';
import { isPodReady } from '../pod-state.ts';

/**
 * How many of a budget's pods may be evicted now. Pure (source: pkg/controller/disruption). Rules: a pod that was granted
 * an eviction counts as gone until it is, or until two minutes have passed; a budget that cannot be worked out allows
 * none; one that matched no pods yet allows none either.
 */
export interface BudgetFacts {
  /** That the budget selects. */
  pods: readonly Readonly<Pod>[];
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
  const { scale, pods, nowMs } = facts;
  if ('failure' in scale) {
    const condition = { status: 'False', reason: 'SyncFailed', message: scale.failure };
    const status = withCondition(budget, { ...budget.status, disruptionsAllowed: 0 }, { condition, nowMs });
    return { status, notDeleted: [], wakeAfterMs: undefined };
  }
  const { expectedPods, desiredHealthy } = wanted(budget, scale.expected, pods.length);
  const { disrupted, notDeleted, wakeAfterMs } = disruptedPods(budget, pods, nowMs);
  const healthy = pods.filter(
    (pod) =>
      pod.metadata?.deletionTimestamp === undefined &&
      !disrupted.has(storedMeta(pod).name) &&
      isPodReady(pod),
  );
  const spare = healthy.length - desiredHealthy;
  const disruptionsAllowed = expectedPods <= 0 ? 0 : Math.max(0, spare);
  const status: PodDisruptionBudgetStatus = {
    ...(disrupted.size > 0 ? { disruptedPods: Object.fromEntries(disrupted) } : {}),
    currentHealthy: healthy.length,
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

function disruptedPods(
  { status }: Readonly<PodDisruptionBudget>,
  pods: readonly Readonly<Pod>[],
  nowMs: number,
) {
  const disrupted = new Map<string, string>();
  const notDeleted: Readonly<Pod>[] = [];
  let wakeAfterMs: number | undefined;
  for (const pod of pods) {
    const since = status?.disruptedPods?.[storedMeta(pod).name];
    if (since === undefined || pod.metadata?.deletionTimestamp !== undefined) continue;
    const left = Date.parse(since) + deletionTimeoutMs - nowMs;
    if (left < 0) {
      notDeleted.push(pod);
      continue;
    }
    disrupted.set(storedMeta(pod).name, since);
    wakeAfterMs = Math.min(wakeAfterMs ?? left + 1, left + 1);
  }
  return { disrupted, notDeleted, wakeAfterMs };
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
