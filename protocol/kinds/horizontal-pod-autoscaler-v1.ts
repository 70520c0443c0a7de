import type {
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerSpec,
  MetricSpec,
  MetricStatus,
  Autoscalingv2HorizontalPodAutoscaler as Stored,
} from '../generated/models.ts';
import { allVerbs, defineKind, type KubernetesObject } from './define-kind.ts';
import { autoscalerColumns, cpuMetric, horizontalPodAutoscalerKind } from './horizontal-pod-autoscaler.ts';

/** What version 1 has no fields for stands in annotations, as JSON. */
const prefix = 'autoscaling.alpha.kubernetes.io/';
const annotations = {
  metrics: `${prefix}metrics`,
  behavior: `${prefix}behavior`,
  conditions: `${prefix}conditions`,
  currentMetrics: `${prefix}current-metrics`,
} as const;

/** The first version of the autoscaler, which knows one metric: CPU (source: pkg/apis/autoscaling/v1, conversion). */
export const horizontalPodAutoscalerV1Kind = defineKind<HorizontalPodAutoscaler>({
  group: 'autoscaling',
  version: 'v1',
  kind: 'HorizontalPodAutoscaler',
  plural: 'horizontalpodautoscalers',
  singular: 'horizontalpodautoscaler',
  shortNames: ['hpa'],
  categories: ['all'],
  namespaced: true,
  schema: 'io.k8s.api.autoscaling.v1.HorizontalPodAutoscaler',
  verbs: allVerbs,
  subresources: ['status'],
  columns: autoscalerColumns.map((column) => ({
    ...column,
    value: (object, now) => column.value(toStored(object), now),
  })),
  selectableFields: {},
  generationOf: false,
  view: { of: horizontalPodAutoscalerKind, fromStored, toStored },
});

function fromStored(object: KubernetesObject): HorizontalPodAutoscaler {
  const { metadata, spec, status } = object as Stored;
  const {
    metrics = [],
    behavior,
    ...restOfSpec
  } = spec ?? { maxReplicas: 0, scaleTargetRef: { kind: '', name: '' } };
  const { currentMetrics = [], conditions = [], ...restOfStatus } = status ?? { desiredReplicas: 0 };
  const cpu = metrics.find(isCpu);
  const otherMetrics = metrics.filter((metric) => metric !== cpu);
  const cpuNow = currentMetrics.find(isCpuStatus);
  const otherNow = currentMetrics.filter((metric) => metric !== cpuNow);
  const target = cpu?.resource?.target.averageUtilization;
  const current = cpuNow?.resource?.current.averageUtilization;
  const noted = {
    ...metadata?.annotations,
    ...note(annotations.metrics, otherMetrics),
    ...note(annotations.currentMetrics, otherNow),
    ...note(annotations.conditions, conditions),
    ...(behavior ? { [annotations.behavior]: JSON.stringify(behavior) } : {}),
  };
  return {
    metadata: { ...metadata, ...(Object.keys(noted).length > 0 ? { annotations: noted } : {}) },
    spec: { ...restOfSpec, ...(target === undefined ? {} : { targetCPUUtilizationPercentage: target }) },
    status: {
      currentReplicas: 0,
      ...restOfStatus,
      ...(current === undefined ? {} : { currentCPUUtilizationPercentage: current }),
    },
  };
}

function toStored(object: HorizontalPodAutoscaler): Stored {
  const { metadata, spec, status } = object;
  const { behavior, conditions, currentMetrics, metrics, rest } = notesOf(metadata?.annotations);
  const { annotations: _annotations, ...restOfMetadata } = metadata ?? {};
  const { currentCPUUtilizationPercentage: cpuNow, ...restOfStatus } = status ?? {
    currentReplicas: 0,
    desiredReplicas: 0,
  };
  const now = [...(cpuNow === undefined ? [] : [cpuStatus(cpuNow)]), ...list<MetricStatus>(currentMetrics)];
  return {
    metadata: { ...restOfMetadata, ...(Object.keys(rest).length > 0 ? { annotations: rest } : {}) },
    spec: storedSpec(spec ?? { maxReplicas: 0, scaleTargetRef: { kind: '', name: '' } }, {
      metrics,
      behavior,
    }),
    status: {
      ...restOfStatus,
      ...(now.length > 0 ? { currentMetrics: now } : {}),
      ...(Array.isArray(conditions) ? { conditions } : {}),
    },
  };
}

function storedSpec(
  { targetCPUUtilizationPercentage: target, ...rest }: HorizontalPodAutoscalerSpec,
  { metrics, behavior }: { metrics: unknown; behavior: unknown },
): NonNullable<Stored['spec']> {
  const all = [...(target === undefined ? [] : [cpuMetric(target)]), ...list<MetricSpec>(metrics)];
  return {
    ...rest,
    ...(all.length > 0 ? { metrics: all } : {}),
    ...(typeof behavior === 'object' && behavior !== null ? { behavior } : {}),
  };
}

function note(name: string, values: readonly unknown[]): Record<string, string> {
  return values.length > 0 ? { [name]: JSON.stringify(values) } : {};
}

function notesOf(all: Record<string, string> = {}) {
  const rest = { ...all };
  const take = (name: string): unknown => {
    const text = rest[name];
    delete rest[name];
    try {
      return text === undefined ? undefined : JSON.parse(text);
    } catch {
      return undefined;
    }
  };
  return {
    metrics: take(annotations.metrics),
    behavior: take(annotations.behavior),
    conditions: take(annotations.conditions),
    currentMetrics: take(annotations.currentMetrics),
    rest,
  };
}

function list<T>(value: unknown): T[] {
  return Array.isArray(value) ? value : [];
}

function isCpu({ type, resource }: MetricSpec): boolean {
  return type === 'Resource' && resource?.name === 'cpu' && resource.target?.averageUtilization !== undefined;
}

function isCpuStatus({ type, resource }: MetricStatus): boolean {
  return (
    type === 'Resource' && resource?.name === 'cpu' && resource.current?.averageUtilization !== undefined
  );
}

function cpuStatus(averageUtilization: number): MetricStatus {
  return { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization } } };
}
