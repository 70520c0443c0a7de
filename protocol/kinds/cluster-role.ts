import type { ClusterRole } from '../generated/models.ts';
import type { StatusCause } from '../status.ts';
import { required } from './cause.ts';
import { createdColumn, nameColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { validateLabelSelector } from './label-selector.ts';
import { anyName } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { rbacGroup, validateRules } from './rbac/policy-rules.ts';

/** A role with an aggregationRule gets its rules from others; the controller `clusterrole-aggregation` keeps them. */
export const clusterRoleKind = defineKind<ClusterRole>({
  group: rbacGroup,
  version: 'v1',
  kind: 'ClusterRole',
  plural: 'clusterroles',
  singular: 'clusterrole',
  shortNames: [],
  categories: [],
  namespaced: false,
  schema: 'io.k8s.api.rbac.v1.ClusterRole',
  verbs: allVerbs,
  subresources: [],
  columns: [nameColumn, createdColumn],
  selectableFields: {},
  generationOf: false,
  validate: (role) => [
    ...validateObjectMeta(role, anyName),
    ...validateRules(role.rules, { namespaced: false }),
    ...validateAggregation(role),
  ],
});

function validateAggregation({ aggregationRule }: ClusterRole): StatusCause[] {
  if (!aggregationRule) return [];
  const field = 'aggregationRule.clusterRoleSelectors';
  const selectors = aggregationRule.clusterRoleSelectors ?? [];
  if (selectors.length === 0)
    return [required(field, 'at least one clusterRoleSelector required if aggregationRule is non-nil')];
  return selectors.flatMap((selector, index) => validateLabelSelector(selector, `${field}[${index}]`));
}
