import type {
  Autoscalingv2HorizontalPodAutoscaler as HorizontalPodAutoscaler,
  MetricSpec,
  MetricStatus,
  MetricTarget,
  MetricValueStatus,
} from '../../../protocol/generated/models.ts';
import { formatQuantity, parseQuantity, quantityMillis } from '../../../protocol/quantity.ts';
import { type MetricReading, metricName, type PodReadings } from './metric-reading.ts';
import {
  type Count,
  type CountContext,
  countByAverage,
  countByShare,
  countByUtilization,
  countByValue,
  type Tolerances,
} from './replica-count.ts';

/** How many replicas one metric asks for, or why that cannot be said. */
export type Proposal =
  | { replicas: number; metric: string; status: MetricStatus }
  /** `cause` goes into the condition and its Event, `error` where all failures are told together. */
  | { reason: string; cause: string; error: string };

export function propose(spec: MetricSpec, reading: MetricReading, context: CountContext): Proposal {
  try {
    const { replicas, status } = counted(spec, reading, context);
    return { replicas, status, metric: metricName(spec) };
  } catch (error) {
    return failureOf(spec, error instanceof Error ? error.message : String(error));
  }
}

const toleranceDefault = 0.1;

export function tolerancesOf({ spec: { behavior } }: Readonly<HorizontalPodAutoscaler>): Tolerances {
  const read = (text: string | undefined) =>
    text === undefined ? toleranceDefault : Number(parseQuantity(text).nano) / 1e9;
  return { up: read(behavior?.scaleUp?.tolerance), down: read(behavior?.scaleDown?.tolerance) };
}

function counted(
  spec: MetricSpec,
  reading: MetricReading,
  context: CountContext,
): { replicas: number; status: MetricStatus } {
  switch (spec.type) {
    case 'Resource': {
      const source = present(spec.resource);
      const { replicas, current } = byResource({ ...source, container: undefined }, reading, context);
      return { replicas, status: { type: spec.type, resource: { name: source.name, current } } };
    }
    case 'ContainerResource': {
      const source = present(spec.containerResource);
      const { replicas, current } = byResource(source, reading, context);
      const { name, container } = source;
      return { replicas, status: { type: spec.type, containerResource: { name, container, current } } };
    }
    case 'Pods': {
      const { metric, target } = present(spec.pods);
      const { replicas, averageValue } = countByAverage(context, podsOf(reading), {
        resource: '',
        target: quantityMillis(target.averageValue ?? '0'),
      });
      const current = { averageValue: quantityOf(averageValue) };
      return { replicas, status: { type: spec.type, pods: { metric, current } } };
    }
    case 'Object': {
      const { metric, target, describedObject } = present(spec.object);
      const { replicas, current } = byValue(target, valueOf(reading), context);
      return { replicas, status: { type: spec.type, object: { metric, describedObject, current } } };
    }
    case 'External': {
      const { metric, target } = present(spec.external);
      const { replicas, current } = byValue(target, valueOf(reading), context);
      return { replicas, status: { type: spec.type, external: { metric, current } } };
    }
    default:
      throw new Error(`unknown metric source type ${JSON.stringify(spec.type)}`);
  }
}

function byResource(
  { name, target, container }: { name: string; target: MetricTarget; container: string | undefined },
  reading: MetricReading,
  context: CountContext,
): { replicas: number; current: MetricValueStatus } {
  const { averageValue, averageUtilization } = target;
  if (averageValue !== undefined) {
    const count = inWords(`failed to get ${name} usage`, () =>
      countByAverage(context, podsOf(reading), { resource: name, target: quantityMillis(averageValue) }),
    );
    return { replicas: count.replicas, current: { averageValue: quantityOf(count.averageValue) } };
  }
  if (averageUtilization === undefined)
    throw new Error(
      'invalid resource metric source: neither an average utilization nor an average value target was set',
    );
  const count: Count = inWords(`failed to get ${name} utilization`, () =>
    countByUtilization(context, podsOf(reading), { resource: name, container, target: averageUtilization }),
  );
  return {
    replicas: count.replicas,
    current: { averageUtilization: count.utilization ?? 0, averageValue: quantityOf(count.averageValue) },
  };
}

function byValue(
  target: MetricTarget,
  value: number,
  context: CountContext,
): { replicas: number; current: MetricValueStatus } {
  if (target.averageValue !== undefined) {
    const replicas = countByShare(context, value, quantityMillis(target.averageValue));
    const share = Math.ceil(value / Math.max(1, context.currentReplicas));
    return { replicas, current: { averageValue: quantityOf(share) } };
  }
  const replicas = countByValue(context, value, quantityMillis(target.value ?? '0'));
  return { replicas, current: { value: quantityOf(value) } };
}

function inWords<T>(words: string, count: () => T): T {
  try {
    return count();
  } catch (error) {
    throw new Error(`${words}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

function podsOf(reading: MetricReading): PodReadings {
  if ('pods' in reading) return reading.pods;
  throw new Error('error' in reading ? reading.error : 'one figure was read where each pod has one');
}

function valueOf(reading: MetricReading): number {
  if ('value' in reading) return reading.value;
  throw new Error('error' in reading ? reading.error : 'figures of pods were read where there is one');
}

function present<T>(part: T | undefined): T {
  if (part === undefined) throw new Error('the metric lacks the part that its type names');
  return part;
}

function failureOf(spec: MetricSpec, cause: string): Proposal {
  switch (spec.type) {
    case 'Resource': {
      const error = `failed to get ${spec.resource?.name ?? ''} resource metric value: ${cause}`;
      return { reason: 'FailedGetResourceMetric', cause, error };
    }
    case 'ContainerResource': {
      const error = `failed to get ${spec.containerResource?.name ?? ''} container metric value: ${cause}`;
      return { reason: 'FailedGetContainerResourceMetric', cause, error };
    }
    case 'Pods':
      return { reason: 'FailedGetPodsMetric', cause, error: `failed to get pods metric value: ${cause}` };
    case 'Object':
      return { reason: 'FailedGetObjectMetric', cause, error: `failed to get object metric value: ${cause}` };
    case 'External': {
      const error = `failed to get ${spec.external?.metric.name ?? ''} external metric value: ${cause}`;
      return { reason: 'FailedGetExternalMetric', cause, error };
    }
    default:
      return { reason: 'InvalidMetricSourceType', cause, error: cause };
  }
}

/** From thousandths. */
export function quantityOf(millis: number): string {
  return formatQuantity({ nano: BigInt(Math.round(millis)) * 1_000_000n, format: 'decimal' });
}
