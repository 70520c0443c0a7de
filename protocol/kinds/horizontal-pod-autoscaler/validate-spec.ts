import type {
  Autoscalingv2HorizontalPodAutoscalerSpec as AutoscalerSpec,
  HPAScalingRules,
  MetricSpec,
  MetricTarget,
} from '../../generated/models.ts';
import { parseQuantity } from '../../quantity.ts';
import type { StatusCause } from '../../status.ts';
import { forbidden, invalid, invalidFor, notSupported, optionalOneOf, required } from '../cause.ts';
import { pathSegment } from '../name-rules.ts';

const windowSecondsMax = 3600;
const periodSecondsMax = 1800;

/** Source of rules and wording: k8s.io/kubernetes/pkg/apis/autoscaling/validation. */
export function validateAutoscalerSpec(spec: AutoscalerSpec | undefined, field: string): StatusCause[] {
  const { minReplicas, maxReplicas = 0, scaleTargetRef, metrics = [], behavior } = spec ?? {};
  const causes: StatusCause[] = [];
  if (minReplicas !== undefined && minReplicas < 1) {
    causes.push(invalid(`${field}.minReplicas`, minReplicas, 'must be greater than or equal to 1'));
  }
  if (maxReplicas < 1) causes.push(invalid(`${field}.maxReplicas`, maxReplicas, 'must be greater than 0'));
  if (minReplicas !== undefined && maxReplicas < minReplicas) {
    const detail = 'must be greater than or equal to `minReplicas`';
    causes.push(invalid(`${field}.maxReplicas`, maxReplicas, detail));
  }
  return [
    ...causes,
    ...validateReference(scaleTargetRef, `${field}.scaleTargetRef`),
    ...metrics.flatMap((metric, index) => validateMetric(metric, `${field}.metrics[${index}]`)),
    ...validateRules(behavior?.scaleUp, `${field}.behavior.scaleUp`),
    ...validateRules(behavior?.scaleDown, `${field}.behavior.scaleDown`),
  ];
}

function validateReference(
  reference: { kind?: string; name?: string } | undefined,
  field: string,
): StatusCause[] {
  return (['kind', 'name'] as const).flatMap((part) => {
    const value = reference?.[part];
    return value ? invalidFor(`${field}.${part}`, value, pathSegment(value)) : [required(`${field}.${part}`)];
  });
}

/** The field that each type of metric fills in, by type. */
const sources = {
  ContainerResource: 'containerResource',
  External: 'external',
  Object: 'object',
  Pods: 'pods',
  Resource: 'resource',
} as const;

function validateMetric(metric: MetricSpec, field: string): StatusCause[] {
  const { type } = metric;
  if (!type) return [required(`${field}.type`, 'must specify a metric source type')];
  if (!Object.hasOwn(sources, type)) return [notSupported(`${field}.type`, type, Object.keys(sources))];
  const wanted = sources[type as keyof typeof sources];
  const causes = Object.values(sources)
    .filter((source) => source !== wanted && metric[source] !== undefined)
    .map((source) => forbidden(`${field}.${source}`, 'must populate the given metric source only'));
  if (!metric[wanted]) {
    return [
      ...causes,
      required(`${field}.${wanted}`, 'must populate information for the given metric source'),
    ];
  }
  return [...causes, ...validateSource(metric, `${field}.${wanted}`)];
}

function validateSource(metric: MetricSpec, field: string): StatusCause[] {
  const { containerResource, external, object, pods, resource } = metric;
  const byResource = resource ?? containerResource;
  if (byResource) {
    const named = byResource.name ? [] : [required(`${field}.name`, 'must specify a resource name')];
    const inContainer =
      containerResource && !containerResource.container
        ? [required(`${field}.container`, 'must specify a container')]
        : [];
    return [...inContainer, ...named, ...validateUtilization(byResource.target, `${field}.target`)];
  }
  const measured = external ?? object ?? pods;
  const causes = measured?.metric?.name
    ? []
    : [required(`${field}.metric.name`, 'must specify a metric name')];
  if (object) causes.push(...validateReference(object.describedObject, `${field}.describedObject`));
  return [...causes, ...validateValues(metric, measured?.target ?? { type: '' }, `${field}.target`)];
}

function validateTarget(target: MetricTarget, field: string): StatusCause[] {
  const { type, averageUtilization, value, averageValue } = target;
  const causes: StatusCause[] = [];
  if (!type) causes.push(required(`${field}.type`, 'must specify a metric target type'));
  else if (!['Utilization', 'Value', 'AverageValue'].includes(type)) {
    causes.push(invalid(`${field}.type`, type, 'must be either Utilization, Value, or AverageValue'));
  }
  if (value !== undefined && !isPositive(value)) {
    causes.push(invalid(`${field}.value`, value, 'must be positive'));
  }
  if (averageValue !== undefined && !isPositive(averageValue)) {
    causes.push(invalid(`${field}.averageValue`, averageValue, 'must be positive'));
  }
  if (averageUtilization !== undefined && averageUtilization < 1) {
    causes.push(invalid(`${field}.averageUtilization`, averageUtilization, 'must be greater than 0'));
  }
  return causes;
}

function isPositive(quantity: string): boolean {
  return parseQuantity(quantity).nano > 0n;
}

function validateUtilization(target: MetricTarget | undefined, field: string): StatusCause[] {
  const { averageUtilization, averageValue } = target ?? {};
  const causes = validateTarget(target ?? { type: '' }, field);
  if (averageUtilization === undefined && averageValue === undefined) {
    const detail = 'must set either a target raw value or a target utilization';
    causes.push(required(`${field}.averageUtilization`, detail));
  } else if (averageUtilization !== undefined && averageValue !== undefined) {
    const detail = 'may not set both a target raw value and a target utilization';
    causes.push(forbidden(`${field}.averageValue`, detail));
  }
  return causes;
}

function validateValues(
  { external, object }: MetricSpec,
  target: MetricTarget,
  field: string,
): StatusCause[] {
  const { value, averageValue } = target;
  const causes = validateTarget(target, field);
  if (external) {
    if (value === undefined && averageValue === undefined) {
      const detail = 'must set either a target value for metric or a per-pod target';
      causes.push(required(`${field}.averageValue`, detail));
    } else if (value !== undefined && averageValue !== undefined) {
      const detail = 'may not set both a target value for metric and a per-pod target';
      causes.push(forbidden(`${field}.value`, detail));
    }
  } else if (object) {
    if (value === undefined && averageValue === undefined) {
      causes.push(required(`${field}.averageValue`, 'must set either a target value or averageValue'));
    }
  } else if (averageValue === undefined) {
    causes.push(required(`${field}.averageValue`, 'must specify a positive target averageValue'));
  }
  return causes;
}

function validateRules(rules: HPAScalingRules | undefined, field: string): StatusCause[] {
  if (!rules) return [];
  const { stabilizationWindowSeconds: seconds, selectPolicy, policies = [] } = rules;
  const causes: StatusCause[] = [];
  if (seconds !== undefined) causes.push(...within(seconds, `${field}.stabilizationWindowSeconds`));
  causes.push(...optionalOneOf(`${field}.selectPolicy`, selectPolicy, ['Disabled', 'Max', 'Min']));
  if (policies.length === 0) causes.push(required(`${field}.policies`, 'must specify at least one Policy'));
  policies.forEach(({ type, value, periodSeconds }, index) => {
    const path = `${field}.policies[${index}]`;
    if (type !== 'Percent' && type !== 'Pods') {
      causes.push(notSupported(`${path}.type`, type ?? '', ['Percent', 'Pods']));
    }
    if (!(value > 0)) causes.push(invalid(`${path}.value`, value ?? 0, 'must be greater than zero'));
    if (!(periodSeconds > 0)) {
      causes.push(invalid(`${path}.periodSeconds`, periodSeconds ?? 0, 'must be greater than zero'));
    } else if (periodSeconds > periodSecondsMax) {
      const detail = `must be less than or equal to ${periodSecondsMax}`;
      causes.push(invalid(`${path}.periodSeconds`, periodSeconds, detail));
    }
  });
  return causes;
}

function within(seconds: number, field: string): StatusCause[] {
  if (seconds < 0) return [invalid(field, seconds, 'must be greater than or equal to zero')];
  if (seconds <= windowSecondsMax) return [];
  return [invalid(field, seconds, `must be less than or equal to ${windowSecondsMax}`)];
}
