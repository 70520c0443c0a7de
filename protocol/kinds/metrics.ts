import type { ObjectMeta } from '../generated/models.ts';
import { metricsPrefix } from '../schema/metrics-schemas.ts';
import { nameColumn, textColumn } from './columns.ts';
import { defineKind, type KindDefinition, type KubernetesObject } from './define-kind.ts';

/** What containers use of each resource, as quantities. */
export interface ResourceUsage {
  cpu: string;
  memory: string;
}

interface Metrics {
  metadata: ObjectMeta;
  /** End of the window. */
  timestamp: string;
  /** As Go writes a duration, e.g. `15.002s`. */
  window: string;
}

export interface NodeMetrics extends Metrics {
  usage: ResourceUsage;
}

export interface PodMetrics extends Metrics {
  containers: { name: string; usage: ResourceUsage }[];
}

/**
 * Measurements: read like objects of a kind and never stored. They are served, discovered and described like kinds,
 * but no registry, informer or controller ever sees them; who answers is in server/api/metrics.
 */
export const nodeMetricsKind = defineKind<KubernetesObject & NodeMetrics>({
  ...parts('NodeMetrics', 'nodes', { namespaced: false }),
  columns: [
    nameColumn,
    textColumn<NodeMetrics>('Cpu', 'CPU in use.', ({ usage }) => usage.cpu),
    textColumn<NodeMetrics>('Memory', 'Working set.', ({ usage }) => usage.memory),
    textColumn<NodeMetrics>('Window', 'Time that was averaged over.', ({ window }) => window),
  ],
});

export const podMetricsKind = defineKind<KubernetesObject & PodMetrics>({
  ...parts('PodMetrics', 'pods', { namespaced: true }),
  columns: [
    nameColumn,
    textColumn<PodMetrics>('Cpu', 'CPU in use, per container.', (pod) => perContainer(pod, 'cpu')),
    textColumn<PodMetrics>('Memory', 'Working set, per container.', (pod) => perContainer(pod, 'memory')),
    textColumn<PodMetrics>('Window', 'Time that was averaged over.', ({ window }) => window),
  ],
});

export const metricsKinds: readonly KindDefinition[] = [nodeMetricsKind, podMetricsKind];

function perContainer({ containers }: PodMetrics, resource: keyof ResourceUsage): string {
  return containers.map(({ usage }) => usage[resource]).join(',');
}

function parts(kind: string, plural: string, { namespaced }: { namespaced: boolean }) {
  return {
    group: 'metrics.k8s.io',
    version: 'v1beta1',
    kind,
    plural,
    singular: '',
    shortNames: [],
    categories: [],
    namespaced,
    schema: `${metricsPrefix}.${kind}`,
    verbs: ['get', 'list'] as const,
    subresources: [],
    selectableFields: {},
    generationOf: false as const,
  };
}
