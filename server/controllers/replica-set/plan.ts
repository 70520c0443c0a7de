import type {
  Pod,
  ReplicaSet,
  ReplicaSetCondition,
  ReplicaSetStatus,
} from '../../../protocol/generated/models.ts';
import { storedMeta, timestamp } from '../../../protocol/kinds/stored-object.ts';
import {
  isPodActive,
  isPodAvailable,
  isPodReady,
  isPodTerminating,
  readySinceMs,
  restartCount,
} from '../pod-state.ts';

/**
 * What to do for one ReplicaSet, given the pods it controls and the time. Pure.
 * Rules: exactly spec.replicas active pods; a finished or terminating pod is replaced; nothing is made or removed while the
 * ReplicaSet itself is being deleted; the least useful pods go first.
 */
export interface ReplicaSetPlan {
  create: number;
  remove: readonly Readonly<Pod>[];
  status: ReplicaSetStatus;
  /** When the status changes by time alone (a pod becomes available). */
  wakeAfterMs: number | undefined;
}

/** One round never makes or removes more than this (Kubernetes' burst), so that one big set cannot starve others. */
export const burstReplicas = 500;

export function planReplicaSet(
  replicaSet: Readonly<ReplicaSet>,
  pods: readonly Readonly<Pod>[],
  nowMs: number,
): ReplicaSetPlan {
  const active = pods.filter(isPodActive);
  const wanted = replicaSet.spec?.replicas ?? 1;
  const deleting = replicaSet.metadata?.deletionTimestamp !== undefined;
  const surplus = deleting ? 0 : active.length - wanted;
  const minReadySeconds = replicaSet.spec?.minReadySeconds ?? 0;
  return {
    create: Math.min(Math.max(0, -surplus), burstReplicas),
    remove: surplus > 0 ? active.toSorted(leastUsefulFirst).slice(0, Math.min(surplus, burstReplicas)) : [],
    status: statusOf(replicaSet, pods, active, nowMs),
    wakeAfterMs: nextAvailability(active, minReadySeconds, nowMs),
  };
}

function statusOf(
  replicaSet: Readonly<ReplicaSet>,
  pods: readonly Readonly<Pod>[],
  active: readonly Readonly<Pod>[],
  nowMs: number,
): ReplicaSetStatus {
  const templateLabels = Object.entries(replicaSet.spec?.template?.metadata?.labels ?? {});
  const hasTemplateLabels = (pod: Readonly<Pod>) =>
    templateLabels.every(([key, value]) => pod.metadata?.labels?.[key] === value);
  const minReadySeconds = replicaSet.spec?.minReadySeconds ?? 0;
  const conditions = replicaSet.status?.conditions;
  return {
    replicas: active.length,
    fullyLabeledReplicas: active.filter(hasTemplateLabels).length,
    readyReplicas: active.filter(isPodReady).length,
    availableReplicas: active.filter((pod) => isPodAvailable(pod, minReadySeconds, nowMs)).length,
    terminatingReplicas: pods.filter(isPodTerminating).length,
    observedGeneration: replicaSet.metadata?.generation ?? 0,
    ...(conditions ? { conditions } : {}),
  };
}

/** The status with its ReplicaFailure condition set, or cleared when `failure` is undefined. */
export function withReplicaFailure(
  status: ReplicaSetStatus,
  failure: { reason: 'FailedCreate' | 'FailedDelete'; message: string } | undefined,
  nowMs: number,
): ReplicaSetStatus {
  const others = (status.conditions ?? []).filter((condition) => condition.type !== 'ReplicaFailure');
  const { conditions: _dropped, ...rest } = status;
  if (!failure) return others.length > 0 ? { ...rest, conditions: others } : rest;
  const before = status.conditions?.find((condition) => condition.type === 'ReplicaFailure');
  const condition: ReplicaSetCondition = {
    type: 'ReplicaFailure',
    status: 'True',
    lastTransitionTime: before?.lastTransitionTime ?? timestamp(nowMs),
    ...failure,
  };
  return { ...rest, conditions: [...others, condition] };
}

function nextAvailability(
  pods: readonly Readonly<Pod>[],
  minReadySeconds: number,
  nowMs: number,
): number | undefined {
  if (minReadySeconds === 0) return undefined;
  const waits = pods.flatMap((pod) => {
    const since = readySinceMs(pod);
    return since === undefined ? [] : [since + minReadySeconds * 1000 - nowMs];
  });
  const ahead = waits.filter((wait) => wait > 0);
  return ahead.length > 0 ? Math.min(...ahead) : undefined;
}

/** Kubernetes' order (ActivePodsWithRanks): unbound, pending, not ready, cheap, newest, most restarted. */
function leastUsefulFirst(a: Readonly<Pod>, b: Readonly<Pod>): number {
  for (const [left, right] of ranks(a).map((rank, index) => [rank, ranks(b)[index] ?? 0] as const)) {
    if (left !== right) return left - right;
  }
  return storedMeta(a).name < storedMeta(b).name ? -1 : 1;
}

const phaseRanks: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

function ranks(pod: Readonly<Pod>): number[] {
  const cost = Number(pod.metadata?.annotations?.['controller.kubernetes.io/pod-deletion-cost'] ?? 0);
  return [
    pod.spec?.nodeName ? 1 : 0,
    phaseRanks[pod.status?.phase ?? 'Pending'] ?? 0,
    isPodReady(pod) ? 1 : 0,
    Number.isFinite(cost) ? cost : 0,
    -(readySinceMs(pod) ?? 0),
    -restartCount(pod),
    -Date.parse(pod.metadata?.creationTimestamp ?? ''),
  ];
}
