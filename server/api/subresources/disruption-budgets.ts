import type { Pod, PodDisruptionBudget } from '../../../protocol/generated/models.ts';
import { podDisruptionBudgetKind } from '../../../protocol/kinds/pod-disruption-budget.ts';
import { hasCondition, isFinished } from '../../../protocol/kinds/pod-status.ts';
import { storedMeta, timestamp } from '../../../protocol/kinds/stored-object.ts';
import { compileLabelSelector } from '../../../protocol/selectors.ts';
import { StatusError } from '../../../protocol/status.ts';
import type { Registry } from '../../registry/registry.ts';

/** Whether a pod may be evicted (source: pkg/registry/core/pod/storage/eviction.go; words and codes are its own). */
export interface Grant {
  /** The grant was made for the pod as it is now: its deletion must find it unchanged. */
  onlyAsItIs: boolean;
}

/** Evictions that were granted and have not been seen yet; more are refused. */
const disruptedPodsMax = 2_000;
const violation = "Cannot evict pod as it would violate the pod's disruption budget.";

/** Takes one of the allowed disruptions of the pod's budget, where it has one. Throws TooManyRequests when there is none. */
export async function grantEviction(
  registry: Registry,
  pod: Readonly<Pod>,
  { nowMs, dryRun }: { nowMs: number; dryRun: boolean },
): Promise<Grant> {
  if (needsNoGrant(pod)) return { onlyAsItIs: true };
  const budgets = await budgetsOf(registry, pod);
  const [budget, another] = budgets;
  if (!budget) return { onlyAsItIs: false };
  if (another) {
    const message =
      'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.';
    throw new StatusError('InternalError', message);
  }
  if (!hasCondition(pod, 'Ready', 'True') && mayGoUnready(budget)) return { onlyAsItIs: true };
  const { name, namespace = '' } = storedMeta(budget);
  const change = (draft: PodDisruptionBudget) => takeDisruption(draft, storedMeta(pod).name, nowMs);
  await registry.mutate(podDisruptionBudgetKind, { namespace, name }, change, {
    subresource: 'status',
    dryRun,
  });
  return { onlyAsItIs: false };
}

/** Nothing serves yet or any more. */
function needsNoGrant(pod: Readonly<Pod>): boolean {
  return isFinished(pod) || pod.status?.phase === 'Pending' || pod.metadata?.deletionTimestamp !== undefined;
}

async function budgetsOf(registry: Registry, { metadata }: Readonly<Pod>): Promise<PodDisruptionBudget[]> {
  const { items } = await registry.list(podDisruptionBudgetKind, { namespace: metadata?.namespace ?? '' });
  return items.filter(({ spec }) => compileLabelSelector(spec?.selector)(metadata?.labels));
}

/** A pod that is not ready counts for nothing; it may go if all others are there, or always where that is asked for. */
function mayGoUnready({ spec, status }: Readonly<PodDisruptionBudget>): boolean {
  if (spec?.unhealthyPodEvictionPolicy === 'AlwaysAllow') return true;
  const { currentHealthy = 0, desiredHealthy = 0 } = status ?? {};
  return desiredHealthy > 0 && currentHealthy >= desiredHealthy;
}

/** In place. */
function takeDisruption(draft: PodDisruptionBudget, pod: string, nowMs: number): void {
  const { name, generation = 0 } = storedMeta(draft);
  const status = (draft.status ??= {});
  if ((status.observedGeneration ?? 0) < generation) {
    throw tooMany(`The disruption budget ${name} is still being processed by the server.`, 10);
  }
  if (Object.keys(status.disruptedPods ?? {}).length > disruptedPodsMax) {
    const detail = 'DisruptedPods map too big - too many evictions not confirmed by PDB controller';
    const message = `poddisruptionbudgets.policy ${JSON.stringify(name)} is forbidden: ${detail}`;
    throw new StatusError('Forbidden', message, {
      details: { name, group: 'policy', kind: 'poddisruptionbudgets' },
    });
  }
  const { disruptionsAllowed = 0, desiredHealthy = 0, currentHealthy = 0 } = status;
  if (disruptionsAllowed <= 0) {
    const failed = status.conditions?.find(({ type, status: value, reason }) => {
      return type === 'DisruptionAllowed' && value === 'False' && reason === 'SyncFailed';
    });
    throw tooMany(
      failed
        ? `The disruption budget ${name} does not allow evicting pods currently because it failed sync: ${failed.message}`
        : `The disruption budget ${name} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`,
    );
  }
  status.disruptionsAllowed = disruptionsAllowed - 1;
  status.disruptedPods = { ...status.disruptedPods, [pod]: timestamp(nowMs) };
  if (status.disruptionsAllowed > 0) return;
  const allowed = status.conditions?.find(({ type }) => type === 'DisruptionAllowed');
  if (allowed)
    Object.assign(allowed, {
      status: 'False',
      reason: 'InsufficientPods',
      lastTransitionTime: timestamp(nowMs),
    });
}

function tooMany(cause: string, retryAfterSeconds?: number): StatusError {
  const causes = [{ reason: 'DisruptionBudget' as const, message: cause, field: '' }];
  const details = { causes, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) };
  return new StatusError('TooManyRequests', violation, { details });
}
