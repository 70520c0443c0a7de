import type { MutatingAdmissionPolicy } from '../generated/models.ts';
import { oneOf, optionalOneOf, required } from './cause.ts';
import { ageColumn, nameColumn, numberColumn, textColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { defaultMatch, paramKindText, validateMatch } from './validating-admission-policy.ts';

export const mutatingAdmissionPolicyKind = defineKind<MutatingAdmissionPolicy>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingAdmissionPolicy',
  plural: 'mutatingadmissionpolicies',
  singular: 'mutatingadmissionpolicy',
  shortNames: [],
  categories: ['api-extensions'],
  namespaced: false,
  schema: 'io.k8s.api.admissionregistration.v1.MutatingAdmissionPolicy',
  verbs: allVerbs,
  subresources: [],
  columns: [
    nameColumn,
    numberColumn('Mutations', 'How many changes it makes.', ({ spec }) => spec?.mutations?.length ?? 0),
    textColumn('ParamKind', 'What its parameters are.', ({ spec }) => paramKindText(spec?.paramKind)),
    ageColumn,
  ],
  selectableFields: {},

  applyDefaults({ spec }) {
    if (!spec) return;
    spec.failurePolicy ??= 'Fail';
    if (spec.matchConstraints) defaultMatch(spec.matchConstraints);
  },
  validate: (policy) => {
    const { failurePolicy, matchConstraints, mutations = [], reinvocationPolicy } = policy.spec ?? {};
    return [
      ...validateObjectMeta(policy, dnsSubdomain),
      ...optionalOneOf('spec.failurePolicy', failurePolicy, ['Fail', 'Ignore']),
      ...(matchConstraints
        ? validateMatch(matchConstraints, 'spec.matchConstraints')
        : [required('spec.matchConstraints')]),
      ...(mutations.length > 0
        ? []
        : [required('spec.mutations', 'mutations must contain at least one item')]),
      ...mutations.flatMap(({ patchType }, index) =>
        oneOf(`spec.mutations[${index}].patchType`, patchType, ['ApplyConfiguration', 'JSONPatch']),
      ),
      ...oneOf('spec.reinvocationPolicy', reinvocationPolicy, ['IfNeeded', 'Never']),
    ];
  },
});
