import type { MutatingAdmissionPolicyBinding } from '../generated/models.ts';
import { invalidFor, required } from './cause.ts';
import { ageColumn, nameColumn, textColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { defaultMatch, validateMatch } from './validating-admission-policy.ts';
import { paramRefText, validateParamRef } from './validating-admission-policy-binding.ts';

export const mutatingAdmissionPolicyBindingKind = defineKind<MutatingAdmissionPolicyBinding>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingAdmissionPolicyBinding',
  plural: 'mutatingadmissionpolicybindings',
  singular: 'mutatingadmissionpolicybinding',
  shortNames: [],
  categories: ['api-extensions'],
  namespaced: false,
  schema: 'io.k8s.api.admissionregistration.v1.MutatingAdmissionPolicyBinding',
  verbs: allVerbs,
  subresources: [],
  columns: [
    nameColumn,
    textColumn('PolicyName', 'The policy it puts in force.', ({ spec }) => spec?.policyName ?? ''),
    textColumn('ParamRef', 'The parameters it gives to it.', ({ spec }) => paramRefText(spec?.paramRef)),
    ageColumn,
  ],
  selectableFields: {},

  applyDefaults({ spec }) {
    if (spec?.matchResources) defaultMatch(spec.matchResources);
  },
  validate: (binding) => {
    const { policyName } = binding.spec ?? {};
    return [
      ...validateObjectMeta(binding, dnsSubdomain),
      ...(policyName
        ? invalidFor('spec.policyName', policyName, dnsSubdomain(policyName))
        : [required('spec.policyName')]),
      ...validateParamRef(binding.spec?.paramRef),
      ...(binding.spec?.matchResources
        ? validateMatch(binding.spec.matchResources, 'spec.matchResources', false)
        : []),
    ];
  },
});
