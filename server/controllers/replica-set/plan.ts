import type {
  Pod,
  PodTemplateSpec,
  ReplicaSetCondition,
  ReplicaSetStatus,
} from '../../../protocol/generated/models.ts';
import type { KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import { storedMeta, timestamp } from '../../../protocol/kinds/stored-object.ts';
import { updateLockCondition } from '../../../protocol/update-lock.ts';
import type { PodFailure } from '../pod-control.ts';
import {
  isPodActive,
  isPodAvailable,
  isPodReady,
  isPodTerminating,
  readySinceMs,
  restartCount,
} from '../pod-state.ts';

/** As much of a ReplicaSet as a ReplicationController has too. */
export interface Replicated extends KubernetesObject {
  spec?: { replicas?: number; minReadySeconds?: number; template?: PodTemplateSpec };
  status?: { conditions?: ReplicaSetCondition[] };
}

/**
 * What to do for one ReplicaSet, given the pods it controls and the time. Pure. Rules: exactly spec.replicas active
 * pods; a finished or terminating pod is replaced; nothing is made or removed while the ReplicaSet itself is being
 * deleted; the least useful pods go first.
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
  replicaSet: Readonly<Replicated>,
  pods: readonly Readonly<Pod>[],
  nowMs: number,
  goesFirst: (pod: Readonly<Pod>) => boolean = () => true,
): ReplicaSetPlan {
  const active = pods.filter(isPodActive);
  const wanted = replicaSet.spec?.replicas ?? 1;
  const deleting = replicaSet.metadata?.deletionTimestamp !== undefined;
  const surplus = deleting ? 0 : active.length - wanted;
  const minReadySeconds = replicaSet.spec?.minReadySeconds ?? 0;
  return {
    create: Math.min(Math.max(0, -surplus), burstReplicas),
    remove: surplus > 0 ? leastUseful(active, goesFirst).slice(0, Math.min(surplus, burstReplicas)) : [],
    status: statusOf(replicaSet, pods, nowMs),
    wakeAfterMs: nextAvailability(active, minReadySeconds, nowMs),
  };
}

/** In one pass: a set of ten thousand is counted again and again. */
function statusOf(
  replicaSet: Readonly<Replicated>,
  pods: readonly Readonly<Pod>[],
  nowMs: number,
): ReplicaSetStatus {
  const templateLabels = Object.entries(replicaSet.spec?.template?.metadata?.labels ?? {});
  const minReadySeconds = replicaSet.spec?.minReadySeconds ?? 0;
  const conditions = replicaSet.status?.conditions;
  const counts = {
    replicas: 0,
    fullyLabeledReplicas: 0,
    readyReplicas: 0,
    availableReplicas: 0,
    terminatingReplicas: 0,
  };
  for (const pod of pods) {
    if (!isPodActive(pod)) {
      if (isPodTerminating(pod)) counts.terminatingReplicas += 1;
      continue;
    }
    const labels = pod.metadata?.labels;
    counts.replicas += 1;
    if (templateLabels.every(([key, value]) => labels?.[key] === value)) counts.fullyLabeledReplicas += 1;
    if (!isPodReady(pod)) continue;
    counts.readyReplicas += 1;
    if (isPodAvailable(pod, minReadySeconds, nowMs)) counts.availableReplicas += 1;
  }
  return {
    ...counts,
    observedGeneration: replicaSet.metadata?.generation ?? 0,
    ...(conditions ? { conditions } : {}),
  };
}

/**
 * The status with its ReplicaFailure condition set, or cleared when `failure` is undefined. While the reason stays,
 * so does the whole condition: a message that names another pod each time would make every retry a change, and the
 * change would queue the next retry without its back-off.
 */
export function withReplicaFailure(
  status: ReplicaSetStatus,
  failure: PodFailure | undefined,
  nowMs: number,
): ReplicaSetStatus {
  const others = (status.conditions ?? []).filter((condition) => condition.type !== 'ReplicaFailure');
  const { conditions: _dropped, ...rest } = status;
  if (!failure) return others.length > 0 ? { ...rest, conditions: others } : rest;
  const before = status.conditions?.find((condition) => condition.type === 'ReplicaFailure');
  const condition: ReplicaSetCondition =
    before?.reason === failure.reason
      ? before
      : { type: 'ReplicaFailure', status: 'True', lastTransitionTime: timestamp(nowMs), ...failure };
  return { ...rest, conditions: [...others, condition] };
}

export function nextAvailability(
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

/**
 * Kubernetes' order (ActivePodsWithRanks): unbound, pending, not ready, cheap, crowded on one node, freshly ready,
 * often restarted, young. Before all of that: whose app holds no lock against updates, and who
 * `goesFirst`.
 */
export function leastUseful(
  active: readonly Readonly<Pod>[],
  goesFirst: (pod: Readonly<Pod>) => boolean = () => true,
): Readonly<Pod>[] {
  const neighbours = new Map<string, number>();
  for (const { spec } of active) {
    const node = spec?.nodeName ?? '';
    neighbours.set(node, (neighbours.get(node) ?? 0) + 1);
  }
  return active
    .map((pod) => ({
      pod,
      ranks: [
        isLocked(pod) ? 1 : 0,
        goesFirst(pod) ? 0 : 1,
        ...ranks(pod, neighbours.get(pod.spec?.nodeName ?? '') ?? 0),
      ],
    }))
    .sort(byRanks)
    .map(({ pod }) => pod);
}

function isLocked({ status }: Readonly<Pod>): boolean {
  return (
    status?.conditions?.some((one) => one.type === updateLockCondition && one.status === 'True') ?? false
  );
}

interface Ranked {
  pod: Readonly<Pod>;
  ranks: readonly number[];
}

function byRanks(a: Ranked, b: Ranked): number {
  const at = a.ranks.findIndex((rank, index) => rank !== b.ranks[index]);
  if (at >= 0) return (a.ranks[at] ?? 0) - (b.ranks[at] ?? 0);
  return storedMeta(a.pod).name < storedMeta(b.pod).name ? -1 : 1;
}

const phaseRanks: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

/** Lower goes first. */
function ranks(pod: Readonly<Pod>, podsOnNode: number): number[] {
  const cost = Number(pod.metadata?.annotations?.['controller.kubernetes.io/pod-deletion-cost'] ?? 0);
  return [
    pod.spec?.nodeName ? 1 : 0,
    phaseRanks[pod.status?.phase ?? 'Pending'] ?? 0,
    isPodReady(pod) ? 1 : 0,
    Number.isFinite(cost) ? cost : 0,
    -podsOnNode,
    -(readySinceMs(pod) ?? 0),
    -restartCount(pod),
    -Date.parse(storedMeta(pod).creationTimestamp),
  ];
}
