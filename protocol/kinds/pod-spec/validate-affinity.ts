import type {
  Affinity,
  NodeAffinity,
  NodeSelector,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodAffinity,
  PodAffinityTerm,
} from '../../generated/models.ts';
import type { StatusCause } from '../../status.ts';
import { forbidden, invalid, invalidFor, required } from '../cause.ts';
import { validateLabelSelector } from '../label-selector.ts';
import { dnsLabel, dnsSubdomain, labelValue, qualifiedName } from '../name-rules.ts';

/** Source of rules and wording: k8s.io/kubernetes/pkg/apis/core/validation. */
export function validateAffinity(affinity: Affinity, field: string): StatusCause[] {
  return [
    ...validateNodeAffinity(affinity.nodeAffinity, `${field}.nodeAffinity`),
    ...validatePodAffinity(affinity.podAffinity, `${field}.podAffinity`),
    ...validatePodAffinity(affinity.podAntiAffinity, `${field}.podAntiAffinity`),
  ];
}

function validateNodeAffinity(affinity: NodeAffinity | undefined, path: string): StatusCause[] {
  const needed = affinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const wanted = affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  const causes: StatusCause[] = [];
  if (needed)
    causes.push(...validateNodeSelector(needed, `${path}.requiredDuringSchedulingIgnoredDuringExecution`));
  wanted.forEach(({ weight, preference }, index) => {
    const at = `${path}.preferredDuringSchedulingIgnoredDuringExecution[${index}]`;
    causes.push(...validateWeight(weight, `${at}.weight`));
    causes.push(...validateNodeTerm(preference ?? {}, `${at}.preference`));
  });
  return causes;
}

export function validateNodeSelector({ nodeSelectorTerms }: NodeSelector, field: string): StatusCause[] {
  const path = `${field}.nodeSelectorTerms`;
  const terms = nodeSelectorTerms ?? [];
  if (terms.length === 0) return [required(path, 'must have at least one node selector term')];
  return terms.flatMap((term, index) => [
    ...validateNodeTerm(term, `${path}[${index}]`),
    ...(term.matchExpressions ?? []).flatMap(({ values = [] }, at) =>
      values.flatMap((value, order) =>
        invalidFor(`${path}[${index}].matchExpressions[${at}].values[${order}]`, value, labelValue(value)),
      ),
    ),
  ]);
}

function validateNodeTerm(
  { matchExpressions = [], matchFields = [] }: NodeSelectorTerm,
  field: string,
): StatusCause[] {
  return [
    ...matchExpressions.flatMap((one, index) =>
      validateExpression(one, `${field}.matchExpressions[${index}]`),
    ),
    ...matchFields.flatMap((one, index) => validateFieldMatch(one, `${field}.matchFields[${index}]`)),
  ];
}

function validateFieldMatch(match: NodeSelectorRequirement, field: string): StatusCause[] {
  const { key, operator, values = [] } = match;
  const causes: StatusCause[] = [];
  if (operator !== 'In' && operator !== 'NotIn') {
    causes.push(invalid(`${field}.operator`, operator, 'not a valid selector operator'));
  } else if (values.length !== 1) {
    const detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
    causes.push(required(`${field}.values`, detail));
  }
  if (key !== 'metadata.name') {
    return [...causes, invalid(`${field}.key`, key, 'not a valid field selector key')];
  }
  return [
    ...causes,
    ...values.flatMap((name, index) => invalidFor(`${field}.values[${index}]`, name, dnsSubdomain(name))),
  ];
}

function validateExpression(expression: NodeSelectorRequirement, path: string): StatusCause[] {
  const { key, operator, values = [] } = expression;
  const causes = invalidFor(`${path}.key`, key, qualifiedName(key ?? ''));
  switch (operator) {
    case 'In':
    case 'NotIn':
      if (values.length === 0) {
        causes.push(required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
      }
      return causes;
    case 'Exists':
    case 'DoesNotExist':
      if (values.length > 0) {
        const detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
        causes.push(forbidden(`${path}.values`, detail));
      }
      return causes;
    case 'Gt':
    case 'Lt':
      if (values.length !== 1) {
        causes.push(
          required(`${path}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'"),
        );
      }
      return causes;
    default:
      return [...causes, invalid(`${path}.operator`, operator, 'not a valid selector operator')];
  }
}

function validatePodAffinity(affinity: PodAffinity | undefined, field: string): StatusCause[] {
  const needed = affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
  const wanted = affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  return [
    ...needed.flatMap((term, index) =>
      validatePodTerm(term, `${field}.requiredDuringSchedulingIgnoredDuringExecution[${index}]`),
    ),
    ...wanted.flatMap(({ weight, podAffinityTerm }, index) => {
      const at = `${field}.preferredDuringSchedulingIgnoredDuringExecution[${index}]`;
      return [
        ...validateWeight(weight, `${at}.weight`),
        ...validatePodTerm(podAffinityTerm ?? { topologyKey: '' }, `${at}.podAffinityTerm`),
      ];
    }),
  ];
}

function validatePodTerm(term: PodAffinityTerm, field: string): StatusCause[] {
  const { labelSelector, namespaceSelector, namespaces = [], topologyKey } = term;
  return [
    ...validateLabelSelector(labelSelector, `${field}.labelSelector`),
    ...validateLabelSelector(namespaceSelector, `${field}.namespaceSelector`),
    ...namespaces.flatMap((name) => invalidFor(`${field}.namespace`, name, dnsLabel(name))),
    ...(topologyKey
      ? invalidFor(`${field}.topologyKey`, topologyKey, qualifiedName(topologyKey))
      : [required(`${field}.topologyKey`, 'can not be empty')]),
  ];
}

function validateWeight(weight: number | undefined, field: string): StatusCause[] {
  if (weight !== undefined && weight >= 1 && weight <= 100) return [];
  return [invalid(field, weight ?? 0, 'must be in the range 1-100')];
}
