import type { MatchResources, ParamKind, ValidatingAdmissionPolicy } from '../generated/models.ts';
import type { StatusCause } from '../status.ts';
import { defaultRules, validateRule } from './admission/webhooks.ts';
import { optionalOneOf, required } from './cause.ts';
import { ageColumn, nameColumn, numberColumn, textColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { validateLabelSelector } from './label-selector.ts';
import { dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { separateStatus } from './object-parts.ts';

export const validatingAdmissionPolicyKind = defineKind<ValidatingAdmissionPolicy>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingAdmissionPolicy',
  plural: 'validatingadmissionpolicies',
  singular: 'validatingadmissionpolicy',
  shortNames: [],
  categories: ['api-extensions'],
  namespaced: false,
  schema: 'io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicy',
  verbs: allVerbs,
  subresources: ['status'],
  columns: [
    nameColumn,
    numberColumn('Validations', 'How many checks it makes.', ({ spec }) => spec?.validations?.length ?? 0),
    textColumn('ParamKind', 'What its parameters are.', ({ spec }) => paramKindText(spec?.paramKind)),
    ageColumn,
  ],
  selectableFields: {},

  applyDefaults({ spec }) {
    if (!spec) return;
    spec.failurePolicy ??= 'Fail';
    if (spec.matchConstraints) defaultMatch(spec.matchConstraints);
  },
  prepareCreate(policy) {
    policy.status = {};
  },
  prepareUpdate: separateStatus,
  validate: (policy) => {
    const { failurePolicy, matchConstraints, validations = [], auditAnnotations = [] } = policy.spec ?? {};
    return [
      ...validateObjectMeta(policy, dnsSubdomain),
      ...optionalOneOf('spec.failurePolicy', failurePolicy, ['Fail', 'Ignore']),
      ...(matchConstraints
        ? validateMatch(matchConstraints, 'spec.matchConstraints')
        : [required('spec.matchConstraints')]),
      ...(validations.length + auditAnnotations.length === 0
        ? [
            required(
              'spec.validations',
              'validations or auditAnnotations must be non-empty; requires at least one',
            ),
          ]
        : []),
      ...validations.flatMap(({ expression }, index) =>
        expression?.trim()
          ? []
          : [required(`spec.validations[${index}].expression`, 'expression is not specified')],
      ),
    ];
  },
});

export function paramKindText({ apiVersion, kind }: ParamKind = {}): string {
  return kind === undefined ? '<unset>' : `${apiVersion ?? ''}/${kind}`;
}

/** In place, idempotent. */
export function defaultMatch(match: MatchResources): void {
  match.matchPolicy ??= 'Equivalent';
  match.namespaceSelector ??= {};
  match.objectSelector ??= {};
  defaultRules(match.resourceRules);
  defaultRules(match.excludeResourceRules);
}

export function validateMatch(match: MatchResources, field: string): StatusCause[] {
  const rules = match.resourceRules ?? [];
  return [
    ...(rules.length > 0 ? [] : [required(`${field}.resourceRules`)]),
    ...rules.flatMap((rule, index) => validateRule(rule, `${field}.resourceRules[${index}]`)),
    ...optionalOneOf(`${field}.matchPolicy`, match.matchPolicy, ['Equivalent', 'Exact']),
    ...validateLabelSelector(match.namespaceSelector, `${field}.namespaceSelector`),
    ...validateLabelSelector(match.objectSelector, `${field}.objectSelector`),
  ];
}
