import type { HorizontalPodAutoscalerBehavior, HPAScalingRules } from '../../../protocol/generated/models.ts';

/** What the autoscaler remembers of its target; lost with the server, as in Kubernetes. */
export interface ScalingHistory {
  /** What the metrics asked for, newest last. */
  recommendations: readonly { atMs: number; replicas: number }[];
  /** Changes that were made: how many pods came or went. */
  ups: readonly ScaleEvent[];
  downs: readonly ScaleEvent[];
}

export interface ScaleEvent {
  atMs: number;
  change: number;
}

export interface Wish {
  current: number;
  /** What the metrics ask for. */
  wanted: number;
  min: number;
  max: number;
  behavior: HorizontalPodAutoscalerBehavior | undefined;
  history: ScalingHistory;
  nowMs: number;
}

export interface LimitedWish {
  replicas: number;
  /** Recommendations with the new one. */
  recommendations: ScalingHistory['recommendations'];
  stabilized: Reason | undefined;
  /** Why it is no more or less; `limited` when that keeps it from what was wanted. */
  range: Reason & { limited: boolean };
}

export interface Reason {
  reason: string;
  message: string;
}

const downWindowSecondsDefault = 300;
/** Without rules of the user a target at most doubles, or comes to four, in one step. */
const upFactor = 2;
const upReplicasMin = 4;
/** The longest window that the API takes is an hour. */
const windowMsMax = 3_600_000;

const reasons = {
  within: { reason: 'DesiredWithinRange', message: 'the desired count is within the acceptable range' },
  tooMany: {
    reason: 'TooManyReplicas',
    message: 'the desired replica count is more than the maximum replica count',
  },
  tooFew: {
    reason: 'TooFewReplicas',
    message: 'the desired replica count is less than the minimum replica count',
  },
  fast: {
    reason: 'ScaleUpLimit',
    message: 'the desired replica count is increasing faster than the maximum scale rate',
  },
  fastDown: {
    reason: 'ScaleDownLimit',
    message: 'the desired replica count is decreasing faster than the maximum scale rate',
  },
  lower: {
    reason: 'ScaleUpStabilized',
    message: 'recent recommendations were lower than current one, applying the lowest recent recommendation',
  },
  higher: {
    reason: 'ScaleDownStabilized',
    message:
      'recent recommendations were higher than current one, applying the highest recent recommendation',
  },
} satisfies Record<string, Reason>;

/** Holds what the metrics want against the windows, the policies and the range. */
export function limitChange(wish: Wish): LimitedWish {
  const { history, nowMs, wanted } = wish;
  const recent = history.recommendations.filter(({ atMs }) => atMs > nowMs - windowMsMax);
  const recommendations = [...recent, { atMs: nowMs, replicas: wanted }];
  const stable = wish.behavior ? stabilize(wish) : highestLately(wish);
  const limits = wish.behavior ? limitByRules(wish, stable) : limitByFactor(wish, stable);
  const replicas = Math.min(limits.most, Math.max(limits.least, stable));
  const bound = replicas < stable ? limits.above : replicas > stable ? limits.below : reasons.within;
  const settled = wanted >= wish.current && wish.behavior ? reasons.lower : reasons.higher;
  return {
    replicas,
    recommendations,
    stabilized: stable === wanted ? undefined : settled,
    range: { ...bound, limited: replicas !== stable },
  };
}

/** The target follows the load up at once, and down only when nothing lately asked for more. */
function highestLately({ wanted, history, nowMs }: Wish): number {
  const sinceMs = nowMs - downWindowSecondsDefault * 1000;
  const recent = history.recommendations.filter(({ atMs }) => atMs > sinceMs);
  return Math.max(wanted, ...recent.map(({ replicas }) => replicas));
}

/** Up only as far as all of its window asked, down only as far as all of that window did. */
function stabilize({ current, wanted, behavior, history, nowMs }: Wish): number {
  const within = (seconds: number) =>
    history.recommendations
      .filter(({ atMs }) => atMs > nowMs - seconds * 1000)
      .map(({ replicas }) => replicas);
  const lowest = Math.min(wanted, ...within(behavior?.scaleUp?.stabilizationWindowSeconds ?? 0));
  const highest = Math.max(wanted, ...within(downWindowOf(behavior)));
  return Math.min(highest, Math.max(lowest, current));
}

function downWindowOf(behavior: HorizontalPodAutoscalerBehavior | undefined): number {
  return behavior?.scaleDown?.stabilizationWindowSeconds ?? downWindowSecondsDefault;
}

interface Limits {
  least: number;
  most: number;
  /** Why no more, why no less. */
  above: Reason;
  below: Reason;
}

function limitByFactor({ current, min, max }: Wish, _stable: number): Limits {
  const fastest = Math.max(upFactor * current, upReplicasMin);
  const above = max > fastest ? reasons.fast : reasons.tooMany;
  return { least: min, most: Math.min(max, fastest), above, below: reasons.tooFew };
}

function limitByRules(wish: Wish, stable: number): Limits {
  const { current, min, max, behavior } = wish;
  if (stable >= current) {
    const fastest = Math.max(current, upLimit(wish, behavior?.scaleUp));
    const above = max > fastest ? reasons.fast : reasons.tooMany;
    return { least: Math.min(min, stable), most: Math.min(max, fastest), above, below: reasons.tooFew };
  }
  const slowest = Math.min(current, downLimit(wish, behavior?.scaleDown));
  const below = min < slowest ? reasons.fastDown : reasons.tooFew;
  return { least: Math.max(min, slowest), most: Math.max(max, stable), above: reasons.tooMany, below };
}

function upLimit(wish: Wish, rules: HPAScalingRules | undefined): number {
  if (rules?.selectPolicy === 'Disabled') return wish.current;
  const limits = (rules?.policies ?? []).map(({ type, value, periodSeconds }) => {
    const start = atPeriodStart(wish, periodSeconds);
    return type === 'Pods' ? start + value : Math.ceil(start * (1 + value / 100));
  });
  return rules?.selectPolicy === 'Min' ? Math.min(...limits) : Math.max(...limits);
}

function downLimit(wish: Wish, rules: HPAScalingRules | undefined): number {
  if (rules?.selectPolicy === 'Disabled') return wish.current;
  const limits = (rules?.policies ?? []).map(({ type, value, periodSeconds }) => {
    const start = atPeriodStart(wish, periodSeconds);
    return type === 'Pods' ? start - value : Math.trunc(start * (1 - value / 100));
  });
  return rules?.selectPolicy === 'Min' ? Math.max(...limits) : Math.min(...limits);
}

/** How many there were when the period began, from the changes since. */
function atPeriodStart({ current, history, nowMs }: Wish, periodSeconds: number): number {
  const sum = (events: readonly ScaleEvent[]) =>
    events
      .filter(({ atMs }) => atMs > nowMs - periodSeconds * 1000)
      .reduce((total, { change }) => total + change, 0);
  return current - sum(history.ups) + sum(history.downs);
}

/** The history after a change was made. */
export function noteChange(history: ScalingHistory, from: number, to: number, nowMs: number): ScalingHistory {
  const kept = (events: readonly ScaleEvent[]) => events.filter(({ atMs }) => atMs > nowMs - windowMsMax);
  const change = { atMs: nowMs, change: Math.abs(to - from) };
  return {
    ...history,
    ups: to > from ? [...kept(history.ups), change] : kept(history.ups),
    downs: to < from ? [...kept(history.downs), change] : kept(history.downs),
  };
}
