import type { LabelSelector, PodAffinityTerm } from '../../protocol/generated/models.ts';
import { compileLabelSelector } from '../../protocol/selectors.ts';
import { bucketOf } from './label-buckets.ts';
import type { PodRequest } from './pod-request.ts';

/** A term of pod affinity as its pod means it: which other pods, and what makes two nodes neighbours. */
export interface PodTerm {
  /** Equal for terms that mean the same. */
  key: string;
  topologyKey: string;
  matches: (pod: PodRequest) => boolean;
  bucket: string | undefined;
}

export type NamespaceLabels = (namespace: string) => Readonly<Record<string, string>> | undefined;

/** Source: k8s.io/component-helpers, scheduling/corev1; matchLabelKeys: KEP-3633. */
export function podTerm(
  term: Readonly<PodAffinityTerm>,
  owner: PodRequest,
  labelsOf: NamespaceLabels,
): PodTerm {
  const { topologyKey, namespaceSelector } = term;
  const selector = narrowed(term, owner.labels);
  const named = term.namespaces ?? [];
  const namespaces = named.length > 0 || namespaceSelector ? named : [owner.namespace];
  const matchesLabels = compileLabelSelector(selector);
  const matchesNamespace = namespaceSelector ? compileLabelSelector(namespaceSelector) : undefined;
  return {
    key: JSON.stringify([topologyKey, namespaces, namespaceSelector, selector]),
    topologyKey,
    matches: ({ namespace, labels }) =>
      matchesLabels(labels) &&
      (namespaces.includes(namespace) || (matchesNamespace?.(labelsOf(namespace)) ?? false)),
    bucket: bucketOf(namespaceSelector ? undefined : namespaces, selector),
  };
}

/** The selector with what matchLabelKeys and mismatchLabelKeys take from the pod's own labels. */
export function narrowed(
  {
    labelSelector,
    matchLabelKeys = [],
    mismatchLabelKeys = [],
  }: Pick<PodAffinityTerm, 'labelSelector' | 'matchLabelKeys' | 'mismatchLabelKeys'>,
  own: Readonly<Record<string, string>>,
): LabelSelector | undefined {
  if (!labelSelector || matchLabelKeys.length + mismatchLabelKeys.length === 0) return labelSelector;
  const expression = (operator: 'In' | 'NotIn') => (key: string) => {
    const value = own[key];
    return value === undefined ? [] : [{ key, operator, values: [value] }];
  };
  return {
    ...labelSelector,
    matchExpressions: [
      ...(labelSelector.matchExpressions ?? []),
      ...matchLabelKeys.flatMap(expression('In')),
      ...mismatchLabelKeys.flatMap(expression('NotIn')),
    ],
  };
}
