import type { AdmissionCompiler } from '../cel/admission-expression.ts';
import type { MutatingAdmissionPolicy, Mutation } from '../generated/models.ts';
import type { StatusCause } from '../status.ts';
import {
  policyExpressions,
  validateConditions,
  validateExpression,
  validateVariables,
} from './admission/expressions.ts';
import { oneOf, optionalOneOf, required } from './cause.ts';
import { ageColumn, nameColumn, numberColumn, textColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import {
  defaultMatch,
  paramKindText,
  validateMatch,
  validateParamKind,
} from './validating-admission-policy.ts';

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
    const { paramKind, matchConditions = [], variables = [] } = policy.spec ?? {};
    const compiler = policyExpressions();
    return [
      ...validateObjectMeta(policy, dnsSubdomain),
      ...optionalOneOf('spec.failurePolicy', failurePolicy, ['Fail', 'Ignore']),
      ...(matchConstraints
        ? validateMatch(matchConstraints, 'spec.matchConstraints')
        : [required('spec.matchConstraints')]),
      ...(mutations.length > 0
        ? []
        : [required('spec.mutations', 'mutations must contain at least one item')]),
      ...(paramKind ? validateParamKind(paramKind) : []),
      ...validateVariables(variables, compiler, 'spec.variables'),
      ...validateConditions(matchConditions, compiler, 'spec.matchConditions'),
      ...mutations.flatMap((mutation, index) =>
        validateMutation(mutation, compiler, `spec.mutations[${index}]`),
      ),
      ...oneOf('spec.reinvocationPolicy', reinvocationPolicy, ['IfNeeded', 'Never']),
    ];
  },
});

function validateMutation(
  { patchType, applyConfiguration, jsonPatch }: Partial<Mutation>,
  compiler: AdmissionCompiler,
  field: string,
): StatusCause[] {
  const causes = oneOf(`${field}.patchType`, patchType, ['ApplyConfiguration', 'JSONPatch']);
  if (patchType === 'ApplyConfiguration') {
    if (!applyConfiguration) return [...causes, required(`${field}.applyConfiguration`)];
    const path = `${field}.applyConfiguration.expression`;
    return [
      ...causes,
      ...validateExpression(compiler, { text: applyConfiguration.expression, type: 'map', field: path }),
    ];
  }
  if (!jsonPatch) return [...causes, required(`${field}.jsonPatch`)];
  const path = `${field}.jsonPatch.expression`;
  return [
    ...causes,
    ...validateExpression(compiler, { text: jsonPatch.expression, type: 'list', field: path }),
  ];
}
