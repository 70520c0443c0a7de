import type { PodDisruptionBudget, PodDisruptionBudgetSpec } from '../generated/models.ts';
import type { StatusCause } from '../status.ts';
import { invalid, optionalOneOf } from './cause.ts';
import { ageColumn, nameColumn, numberColumn, textColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { validateIntOrPercent } from './int-or-percent.ts';
import { validateLabelSelector } from './label-selector.ts';
import { dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { separateStatus } from './object-parts.ts';
import { validateStatusCounts } from './status-counts.ts';

const notSet = 'N/A';

export const podDisruptionBudgetKind = defineKind<PodDisruptionBudget>({
  group: 'policy',
  version: 'v1',
  kind: 'PodDisruptionBudget',
  plural: 'poddisruptionbudgets',
  singular: 'poddisruptionbudget',
  shortNames: ['pdb'],
  categories: [],
  namespaced: true,
  schema: 'io.k8s.api.policy.v1.PodDisruptionBudget',
  verbs: allVerbs,
  subresources: ['status'],
  columns: [
    nameColumn,
    textColumn('Min Available', 'Pods that must stay.', ({ spec }) => String(spec?.minAvailable ?? notSet)),
    textColumn('Max Unavailable', 'Pods that may be missing.', ({ spec }) =>
      String(spec?.maxUnavailable ?? notSet),
    ),
    numberColumn(
      'Allowed Disruptions',
      'Pods that may go now.',
      ({ status }) => status?.disruptionsAllowed ?? 0,
    ),
    ageColumn,
  ],
  selectableFields: {},

  prepareCreate(budget) {
    budget.status = { currentHealthy: 0, desiredHealthy: 0, disruptionsAllowed: 0, expectedPods: 0 };
  },
  prepareUpdate: separateStatus,
  validate: (budget) => [...validateObjectMeta(budget, dnsSubdomain), ...validateSpec(budget.spec ?? {})],
  validateUpdate: (next, old, subresource) =>
    subresource === 'status' ? validateStatusCounts(next.status, old.status, { fields: counts }) : [],
});

const counts = ['disruptionsAllowed', 'currentHealthy', 'desiredHealthy', 'expectedPods'];

/** Source: k8s.io/kubernetes/pkg/apis/policy/validation. */
function validateSpec(spec: PodDisruptionBudgetSpec): StatusCause[] {
  const { minAvailable, maxUnavailable, unhealthyPodEvictionPolicy: policy } = spec;
  const causes: StatusCause[] = [];
  if (minAvailable !== undefined && maxUnavailable !== undefined) {
    const shown = {
      MinAvailable: minAvailable,
      Selector: spec.selector ?? null,
      MaxUnavailable: maxUnavailable,
      UnhealthyPodEvictionPolicy: policy ?? null,
    };
    causes.push(invalid('spec', shown, 'minAvailable and maxUnavailable cannot be both set'));
  }
  if (minAvailable !== undefined) causes.push(...validateIntOrPercent(minAvailable, 'spec.minAvailable'));
  if (maxUnavailable !== undefined)
    causes.push(...validateIntOrPercent(maxUnavailable, 'spec.maxUnavailable'));
  return [
    ...causes,
    ...validateLabelSelector(spec.selector, 'spec.selector'),
    ...optionalOneOf('spec.unhealthyPodEvictionPolicy', policy, ['AlwaysAllow', 'IfHealthyBudget']),
  ];
}
