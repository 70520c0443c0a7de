import type {
  HorizontalPodAutoscalerCondition as Condition,
  Autoscalingv2HorizontalPodAutoscaler as HorizontalPodAutoscaler,
  MetricStatus,
  Pod,
} from '../../../protocol/generated/models.ts';
import { timestamp } from '../../../protocol/kinds/stored-object.ts';
import { limitChange, type ScalingHistory } from './limit-change.ts';
import type { MetricReading } from './metric-reading.ts';
import { type Proposal, propose, tolerancesOf } from './propose.ts';

/** What is known of an autoscaler and its target when it is looked at. */
export interface AutoscalerFacts {
  autoscaler: Readonly<HorizontalPodAutoscaler>;
  /** spec.replicas of the target. */
  currentReplicas: number;
  pods: readonly Readonly<Pod>[];
  /** One for each metric; undefined where nobody had to look. */
  readings: readonly MetricReading[];
  history: ScalingHistory;
  nowMs: number;
}

export interface AutoscalerPlan {
  /** Undefined: it could not be said. */
  desiredReplicas: number | undefined;
  /** Why the target changes, in words; undefined when it stays as it is. */
  rescale: string | undefined;
  /** New or changed, in the order in which they came about. */
  conditions: readonly ConditionChange[];
  metrics: readonly MetricStatus[];
  warnings: readonly { reason: string; message: string }[];
  history: ScalingHistory;
}

export interface ConditionChange {
  type: 'AbleToScale' | 'ScalingActive' | 'ScalingLimited';
  status: 'True' | 'False';
  reason: string;
  message: string;
}

/** Whether the metrics have to be read at all. */
export function needsMetrics(spec: HorizontalPodAutoscaler['spec'], currentReplicas: number): boolean {
  const { min, max } = rangeOf(spec);
  if (currentReplicas === 0 && min !== 0) return false;
  return currentReplicas >= min && currentReplicas <= max;
}

/** Pure: how many replicas the target shall have, and what to say about it. */
export function planAutoscaler(facts: AutoscalerFacts): AutoscalerPlan {
  const { autoscaler, currentReplicas, nowMs } = facts;
  const { min, max } = rangeOf(autoscaler.spec);
  const { recommendations } = facts.history;
  const history: ScalingHistory =
    recommendations.length > 0
      ? facts.history
      : { ...facts.history, recommendations: [{ atMs: nowMs, replicas: currentReplicas }] };
  const known = { ...facts, history };
  if (currentReplicas === 0 && min !== 0) return disabled(known);
  if (currentReplicas > max)
    return outOfRange(known, max, 'Current number of replicas above Spec.MaxReplicas');
  if (currentReplicas < min)
    return outOfRange(known, min, 'Current number of replicas below Spec.MinReplicas');
  return planByMetrics(known);
}

export function rangeOf({ minReplicas = 1, maxReplicas }: HorizontalPodAutoscaler['spec']) {
  return { min: minReplicas, max: maxReplicas };
}

const ableToGet: ConditionChange = {
  type: 'AbleToScale',
  status: 'True',
  reason: 'SucceededGetScale',
  message: "the HPA controller was able to get the target's current scale",
};

function disabled({ history }: AutoscalerFacts): AutoscalerPlan {
  const message = 'scaling is disabled since the replica count of the target is zero';
  return {
    desiredReplicas: 0,
    rescale: undefined,
    conditions: [ableToGet, { type: 'ScalingActive', status: 'False', reason: 'ScalingDisabled', message }],
    metrics: [],
    warnings: [],
    history,
  };
}

function outOfRange({ history }: AutoscalerFacts, replicas: number, rescale: string): AutoscalerPlan {
  return { desiredReplicas: replicas, rescale, conditions: [ableToGet], metrics: [], warnings: [], history };
}

function planByMetrics(facts: AutoscalerFacts): AutoscalerPlan {
  const { autoscaler, currentReplicas, readings, history, nowMs } = facts;
  const context = { ...facts, tolerances: tolerancesOf(autoscaler) };
  const missing: MetricReading = { error: 'the metric was not read' };
  const proposals = (autoscaler.spec.metrics ?? []).map((spec, index) =>
    propose(spec, readings[index] ?? missing, context),
  );
  const decision = decide(proposals, currentReplicas);
  const warnings = proposals.flatMap((proposal) =>
    'reason' in proposal ? [{ reason: proposal.reason, message: proposal.cause }] : [],
  );
  const metrics = proposals.flatMap((proposal) => ('status' in proposal ? [proposal.status] : []));
  if ('error' in decision) {
    const failed = { reason: 'FailedComputeMetricsReplicas', message: decision.error };
    return {
      desiredReplicas: undefined,
      rescale: undefined,
      conditions: [ableToGet, decision.condition],
      metrics,
      warnings: [...warnings, failed],
      history,
    };
  }
  const { min, max } = rangeOf(autoscaler.spec);
  const { behavior } = autoscaler.spec;
  const wish = { current: currentReplicas, wanted: decision.replicas, min, max, behavior, history, nowMs };
  const { replicas, stabilized, range, recommendations } = limitChange(wish);
  const above = decision.replicas > currentReplicas ? `${decision.metric} above target` : '';
  return {
    desiredReplicas: replicas,
    rescale: replicas === currentReplicas ? undefined : above || 'All metrics below target',
    conditions: [
      ableToGet,
      {
        type: 'ScalingActive',
        status: 'True',
        reason: 'ValidMetricFound',
        message: `the HPA was able to successfully calculate a replica count from ${decision.metric}`,
      },
      {
        type: 'AbleToScale',
        status: 'True',
        ...(stabilized ?? {
          reason: 'ReadyForNewScale',
          message: 'recommended size matches current size',
        }),
      },
      {
        type: 'ScalingLimited',
        status: range.limited ? 'True' : 'False',
        reason: range.reason,
        message: range.message,
      },
    ],
    metrics,
    warnings,
    history: { ...history, recommendations },
  };
}

type Decision = { replicas: number; metric: string } | { error: string; condition: ConditionChange };

/** The metric that asks for most decides; with one that failed, fewer replicas than there are would be a guess. */
function decide(proposals: readonly Proposal[], currentReplicas: number): Decision {
  const failures = proposals.filter((proposal) => 'reason' in proposal);
  const sound = proposals.filter((proposal) => 'replicas' in proposal);
  const [first] = failures;
  const most = sound.reduce<{ replicas: number; metric: string } | undefined>(
    (best, next) => (best && best.replicas >= next.replicas ? best : next),
    undefined,
  );
  if (most && (!first || most.replicas >= currentReplicas)) return most;
  const count = `${failures.length} invalid out of ${proposals.length}`;
  return {
    error: `invalid metrics (${count}), first error is: ${first?.error ?? 'there are no metrics'}`,
    condition: {
      type: 'ScalingActive',
      status: 'False',
      reason: first?.reason ?? 'FailedGetResourceMetric',
      message: `the HPA was unable to compute the replica count: ${first?.cause ?? 'there are no metrics'}`,
    },
  };
}

/** The conditions with changes made to them; a time moves only with the status. */
export function withConditions(
  before: readonly Condition[],
  changes: readonly ConditionChange[],
  nowMs: number,
): Condition[] {
  const after = new Map(before.map((condition) => [condition.type, condition]));
  for (const change of changes) {
    const known = after.get(change.type);
    const kept = known?.status === change.status ? known.lastTransitionTime : undefined;
    after.set(change.type, { ...change, lastTransitionTime: kept ?? timestamp(nowMs) });
  }
  return [...after.values()];
}
