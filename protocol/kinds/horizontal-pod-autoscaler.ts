import type {
  Autoscalingv2HorizontalPodAutoscaler as HorizontalPodAutoscaler,
  HPAScalingRules,
  MetricSpec,
  MetricStatus,
  MetricTarget,
  MetricValueStatus,
} from '../generated/models.ts';
import { ageColumn, nameColumn, none, numberColumn, textColumn } from './columns.ts';
import { allVerbs, type Column, defineKind } from './define-kind.ts';
import { validateAutoscalerSpec } from './horizontal-pod-autoscaler/validate-spec.ts';
import { dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { separateStatus } from './object-parts.ts';
import { validateStatusCounts } from './status-counts.ts';

const cpuUtilizationDefault = 80;
const shownMetricsMax = 2;

export const autoscalerColumns: readonly Column<HorizontalPodAutoscaler>[] = [
  nameColumn,
  textColumn('Reference', 'What it scales.', ({ spec }) => {
    const target = spec?.scaleTargetRef;
    return `${target?.kind ?? ''}/${target?.name ?? ''}`;
  }),
  textColumn('Targets', 'What it measures, and what it wants that to be.', ({ spec, status }) =>
    metricsText(spec?.metrics ?? [], status?.currentMetrics ?? []),
  ),
  textColumn('MinPods', 'Fewest pods.', ({ spec }) => String(spec?.minReplicas ?? '<unset>')),
  numberColumn('MaxPods', 'Most pods.', ({ spec }) => spec?.maxReplicas ?? 0),
  numberColumn('Replicas', 'Pods there are.', ({ status }) => status?.currentReplicas ?? 0),
  ageColumn,
];

export const horizontalPodAutoscalerKind = defineKind<HorizontalPodAutoscaler>({
  group: 'autoscaling',
  version: 'v2',
  kind: 'HorizontalPodAutoscaler',
  plural: 'horizontalpodautoscalers',
  singular: 'horizontalpodautoscaler',
  shortNames: ['hpa'],
  categories: ['all'],
  namespaced: true,
  schema: 'io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler',
  verbs: allVerbs,
  subresources: ['status'],
  columns: autoscalerColumns,
  selectableFields: {},
  generationOf: false,

  applyDefaults({ spec }) {
    if (!spec) return;
    spec.minReplicas ??= 1;
    if ((spec.metrics ?? []).length === 0) spec.metrics = [cpuMetric(cpuUtilizationDefault)];
    if (!spec.behavior) return;
    spec.behavior.scaleUp = { stabilizationWindowSeconds: 0, ...scaleUp, ...spec.behavior.scaleUp };
    spec.behavior.scaleDown = { ...scaleDown, ...spec.behavior.scaleDown };
  },
  prepareCreate(autoscaler) {
    autoscaler.status = { desiredReplicas: 0 };
  },
  prepareUpdate: separateStatus,
  validate: (autoscaler) => [
    ...validateObjectMeta(autoscaler, dnsSubdomain),
    ...validateAutoscalerSpec(autoscaler.spec, 'spec'),
  ],
  validateUpdate: (next, old, subresource) =>
    subresource === 'status' ? validateStatusCounts(next.status, old.status, { fields: counts }) : [],
});

const counts = ['currentReplicas', 'desiredReplicas'];

/** Source: k8s.io/kubernetes/pkg/apis/autoscaling/v2, defaults. */
const scaleUp: HPAScalingRules = {
  selectPolicy: 'Max',
  policies: [
    { type: 'Pods', value: 4, periodSeconds: 15 },
    { type: 'Percent', value: 100, periodSeconds: 15 },
  ],
};
const scaleDown: HPAScalingRules = {
  selectPolicy: 'Max',
  policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }],
};

/** The one metric that version 1 knows. */
export function cpuMetric(averageUtilization: number): MetricSpec {
  return { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } } };
}

function metricsText(specs: readonly MetricSpec[], statuses: readonly MetricStatus[]): string {
  if (specs.length === 0) return none;
  const shown = specs.slice(0, shownMetricsMax).map((spec, index) => metricText(spec, statuses[index]));
  const more = specs.length - shown.length;
  return more > 0 ? `${shown.join(', ')} + ${more} more...` : shown.join(', ');
}

function metricText(spec: MetricSpec, status: MetricStatus | undefined): string {
  switch (spec.type) {
    case 'Resource':
      return resourceText(spec.resource, status?.resource?.current);
    case 'ContainerResource':
      return resourceText(spec.containerResource, status?.containerResource?.current);
    case 'Pods':
      return `${status?.pods?.current.averageValue ?? unknown}/${spec.pods?.target.averageValue ?? ''}`;
    case 'Object':
      return valueText(spec.object?.target, status?.object?.current);
    case 'External':
      return valueText(spec.external?.target, status?.external?.current);
    default:
      return '<unknown type>';
  }
}

const unknown = '<unknown>';

function valueText(target: MetricTarget | undefined, current: MetricValueStatus | undefined): string {
  if (target?.averageValue === undefined) return `${current?.value ?? unknown}/${target?.value ?? ''}`;
  return `${current?.averageValue ?? unknown}/${target.averageValue} (avg)`;
}

function resourceText(
  source: { name: string; target: MetricTarget } | undefined,
  current: MetricValueStatus | undefined,
): string {
  const { name = '', target } = source ?? {};
  if (target?.averageValue !== undefined) {
    return `${name}: ${current?.averageValue ?? unknown}/${target.averageValue}`;
  }
  const used = current?.averageUtilization === undefined ? unknown : `${current.averageUtilization}%`;
  const wanted = target?.averageUtilization === undefined ? '<auto>' : `${target.averageUtilization}%`;
  return `${name}: ${used}/${wanted}`;
}
