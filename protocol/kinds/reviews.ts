import type { KindDefinition } from './define-kind.ts';

/**
 * Questions rather than objects: they are POSTed, answered in their own status, and never stored. They are served,
 * discovered and described like kinds, but no registry, informer or controller ever sees them; who answers is in
 * server/api/access/reviews.
 */
export const reviewKinds: readonly KindDefinition[] = [
  review('authentication', 'SelfSubjectReview'),
  review('authentication', 'TokenReview'),
  review('authorization', 'LocalSubjectAccessReview', { namespaced: true }),
  review('authorization', 'SelfSubjectAccessReview'),
  review('authorization', 'SelfSubjectRulesReview'),
  review('authorization', 'SubjectAccessReview'),
];

function review(
  group: 'authentication' | 'authorization',
  kind: string,
  { namespaced = false } = {},
): KindDefinition {
  const singular = kind.toLowerCase();
  return {
    group: `${group}.k8s.io`,
    version: 'v1',
    kind,
    plural: `${singular}s`,
    singular,
    shortNames: [],
    categories: [],
    namespaced,
    schema: `io.k8s.api.${group}.v1.${kind}`,
    verbs: ['create'],
    subresources: [],
    columns: [],
    selectableFields: {},
    generationOf: false,
  };
}
