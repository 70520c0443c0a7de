import type { MetricIdentifier, MetricSpec } from '../../../protocol/generated/models.ts';

/** What was measured for one metric of an autoscaler. Values are in thousandths, as Kubernetes compares them. */
export type MetricReading =
  /** By the name of the pod. */
  | { pods: ReadonlyMap<string, PodReading> }
  /** Of an object, or the sum of what stands outside the cluster. */
  | { value: number }
  /** In words for a person. */
  | { error: string };

export interface PodReading {
  value: number;
  /** The end of the window, since 1970. */
  timestampMs: number;
  windowMs: number;
}

export type PodReadings = ReadonlyMap<string, PodReading>;

/** Where the metrics come from that are not CPU and memory: other servers, if there are any. Rejects with words. */
export interface OtherMetrics {
  ofPods(place: MetricPlace): Promise<PodReadings>;
  ofObject(place: MetricPlace & { kind: string; apiVersion: string; name: string }): Promise<number>;
  external(place: Omit<MetricPlace, 'labelSelector'>): Promise<readonly number[]>;
}

export interface MetricPlace {
  namespace: string;
  metric: MetricIdentifier;
  /** Of the pods, as text. */
  labelSelector: string;
}

/** How a metric is called in messages. */
export function metricName(spec: MetricSpec): string {
  switch (spec.type) {
    case 'Resource':
    case 'ContainerResource': {
      const { name = '', target } = spec.resource ?? spec.containerResource ?? {};
      return target?.averageValue === undefined
        ? `${name} resource utilization (percentage of request)`
        : `${name} resource`;
    }
    case 'Pods':
      return `pods metric ${spec.pods?.metric.name ?? ''}`;
    case 'Object':
      return `${spec.object?.describedObject.kind ?? ''} metric ${spec.object?.metric.name ?? ''}`;
    default:
      return `external metric ${spec.external?.metric.name ?? ''}`;
  }
}
