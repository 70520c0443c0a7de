import type {
  Affinity,
  NodeAffinity,
  NodeSelectorTerm,
  PodAffinity,
  PodAffinityTerm,
} from '../../generated/models.ts';
import type { StatusCause } from '../../status.ts';
import { forbidden, invalid, invalidFor, required } from '../cause.ts';
import { validateLabelSelector } from '../label-selector.ts';
import { dnsLabel, qualifiedName } from '../name-rules.ts';

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
  if (needed) {
    const terms = `${path}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms`;
    const list = needed.nodeSelectorTerms ?? [];
    if (list.length === 0) causes.push(required(terms, 'must have at least one node selector term'));
    list.forEach((term, index) => causes.push(...validateNodeTerm(term, `${terms}[${index}]`)));
  }
  wanted.forEach(({ weight, preference }, index) => {
    const at = `${path}.preferredDuringSchedulingIgnoredDuringExecution[${index}]`;
    causes.push(...validateWeight(weight, `${at}.weight`));
    causes.push(...validateNodeTerm(preference ?? {}, `${at}.preference`));
  });
  return causes;
}

function validateNodeTerm({ matchExpressions = [] }: NodeSelectorTerm, field: string): StatusCause[] {
  return matchExpressions.flatMap(({ key, operator, values = [] }, index) => {
    const path = `${field}.matchExpressions[${index}]`;
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
  });
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
