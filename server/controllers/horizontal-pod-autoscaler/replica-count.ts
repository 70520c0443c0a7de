import type { Pod } from '../../../protocol/generated/models.ts';
import type { PodReadings } from './metric-reading.ts';
import { groupPods, podRequests } from './pod-groups.ts';

/** How far from 1 the ratio of what is to what shall be may lie without anything being done. */
export interface Tolerances {
  up: number;
  down: number;
}

export interface CountContext {
  currentReplicas: number;
  tolerances: Tolerances;
  pods: readonly Readonly<Pod>[];
  nowMs: number;
}

export interface Count {
  replicas: number;
  /** Of the pods that count, per pod, in thousandths. */
  averageValue: number;
  /** In percent of what they request. */
  utilization?: number;
}

/** In use, of what is wanted. */
interface Ratio {
  ratio: number;
  averageValue: number;
  utilization?: number;
}

/** For `Utilization`: the share of their requests that pods use. Throws an Error with words for a condition. */
export function countByUtilization(
  context: CountContext,
  readings: PodReadings,
  { resource, container, target }: { resource: string; container: string | undefined; target: number },
): Count {
  assertPods(context);
  const requests = podRequests(context.pods, { resource, container });
  const total = (names: Iterable<string>, of: (name: string) => number) => {
    let sum = 0;
    for (const name of names) sum += of(name);
    return sum;
  };
  const ratioOf = (values: ReadonlyMap<string, number>): Ratio => {
    const requested = total(values.keys(), (name) => requests.get(name) ?? 0);
    if (requested === 0) throw new Error('no metrics returned matched known pods');
    const used = total(values.keys(), (name) => values.get(name) ?? 0);
    const utilization = Math.trunc((used * 100) / requested);
    return { ratio: utilization / target, utilization, averageValue: Math.trunc(used / values.size) };
  };
  return conservatively(context, readings, {
    resource,
    ratioOf,
    // A pod without a figure may use all that it asked for, and more where more is aimed at.
    fallback: (name) => ((requests.get(name) ?? 0) * Math.max(100, target)) / 100,
  });
}

/** For `AverageValue` of pods' metrics; `target` in thousandths. Throws an Error with words for a condition. */
export function countByAverage(
  context: CountContext,
  readings: PodReadings,
  { resource, target }: { resource: string; target: number },
): Count {
  assertPods(context);
  const ratioOf = (values: ReadonlyMap<string, number>): Ratio => {
    let sum = 0;
    for (const value of values.values()) sum += value;
    const averageValue = Math.trunc(sum / values.size);
    return { ratio: averageValue / target, averageValue };
  };
  return conservatively(context, readings, { resource, ratioOf, fallback: () => target });
}

function assertPods({ pods }: CountContext): void {
  if (pods.length === 0) throw new Error('no pods returned by selector while calculating replica count');
}

/**
 * What is not known is taken for what argues against a change: pods without a figure use all they may when there is
 * less load, and nothing when there is more; pods that are not yet working use nothing when there is more. A change
 * that those guesses would turn round is not made.
 */
function conservatively(
  { currentReplicas, tolerances, pods, nowMs }: CountContext,
  readings: PodReadings,
  {
    resource,
    ratioOf,
    fallback,
  }: {
    resource: string;
    ratioOf: (values: ReadonlyMap<string, number>) => Ratio;
    fallback: (name: string) => number;
  },
): Count {
  const groups = groupPods(pods, readings, { resource, nowMs });
  const left = new Set([...groups.ignored, ...groups.unready]);
  const known = new Set(pods.map(({ metadata }) => metadata?.name ?? ''));
  const values = new Map<string, number>();
  for (const [name, { value }] of readings) if (known.has(name) && !left.has(name)) values.set(name, value);
  if (values.size === 0) throw new Error('did not receive metrics for targeted pods (pods might be unready)');
  const { ratio, ...shown } = ratioOf(values);
  const upWithUnready = groups.unready.length > 0 && ratio > 1;
  if (!upWithUnready && groups.missing.length === 0) {
    const replicas = within(tolerances, ratio) ? currentReplicas : Math.ceil(ratio * groups.readyCount);
    return { replicas, ...shown };
  }
  for (const name of groups.missing) if (ratio !== 1) values.set(name, ratio < 1 ? fallback(name) : 0);
  if (upWithUnready) for (const name of groups.unready) values.set(name, 0);
  const { ratio: cautious } = ratioOf(values);
  const turned = (ratio < 1 && cautious > 1) || (ratio > 1 && cautious < 1);
  const replicas = Math.ceil(cautious * values.size);
  const backwards = cautious < 1 ? replicas > currentReplicas : replicas < currentReplicas;
  const stays = within(tolerances, cautious) || turned || backwards;
  return { replicas: stays ? currentReplicas : replicas, ...shown };
}

/** For `Value` of one figure, which the ready pods share. */
export function countByValue(context: CountContext, value: number, target: number): number {
  const { currentReplicas, tolerances, pods } = context;
  const ratio = value / target;
  if (currentReplicas === 0) return Math.ceil(ratio);
  if (within(tolerances, ratio)) return currentReplicas;
  const ready = pods.filter(
    ({ status }) =>
      status?.phase === 'Running' &&
      status.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True'),
  );
  if (ready.length === 0) throw new Error('unable to calculate ready pods: no pod is ready');
  return Math.ceil(ratio * ready.length);
}

/** For `AverageValue` of one figure: as many pods as it takes for each to have its share. */
export function countByShare(context: CountContext, value: number, target: number): number {
  const { currentReplicas, tolerances } = context;
  const ratio = currentReplicas === 0 ? Number.POSITIVE_INFINITY : value / (target * currentReplicas);
  return within(tolerances, ratio) ? currentReplicas : Math.ceil(value / target);
}

function within({ up, down }: Tolerances, ratio: number): boolean {
  return 1 - down <= ratio && ratio <= 1 + up;
}
