import type { AdmissionCompiler } from '../cel/admission-expression.ts';
import type {
  MatchResources,
  ParamKind,
  ValidatingAdmissionPolicy,
  Validation,
} from '../generated/models.ts';
import type { StatusCause } from '../status.ts';
import {
  policyExpressions,
  validateConditions,
  validateExpression,
  validateVariables,
} from './admission/expressions.ts';
import { defaultRules, validateRule } from './admission/webhooks.ts';
import { invalid, optionalOneOf, required } from './cause.ts';
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
    const { paramKind, matchConditions = [], variables = [] } = policy.spec ?? {};
    const compiler = policyExpressions();
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
      ...(paramKind ? validateParamKind(paramKind) : []),
      ...validateVariables(variables, compiler, 'spec.variables'),
      ...validateConditions(matchConditions, compiler, 'spec.matchConditions'),
      ...validations.flatMap((validation, index) =>
        validateValidation(validation, compiler, `spec.validations[${index}]`),
      ),
      ...auditAnnotations.flatMap(({ valueExpression: text }, index) =>
        validateExpression(compiler, {
          text,
          type: 'any',
          field: `spec.auditAnnotations[${index}].valueExpression`,
        }),
      ),
    ];
  },
});

const reasons = ['Forbidden', 'Invalid', 'RequestEntityTooLarge', 'Unauthorized'];

function validateValidation(
  { expression, message, messageExpression, reason }: Partial<Validation>,
  compiler: AdmissionCompiler,
  field: string,
): StatusCause[] {
  return [
    ...validateExpression(compiler, { text: expression, type: 'bool', field: `${field}.expression` }),
    ...(messageExpression === undefined || messageExpression === ''
      ? []
      : validateExpression(compiler, {
          text: messageExpression,
          type: 'string',
          field: `${field}.messageExpression`,
        })),
    ...(message?.trim().includes('\n')
      ? [invalid(`${field}.message`, message, 'message must not contain line breaks')]
      : []),
    ...optionalOneOf(`${field}.reason`, reason, reasons),
  ];
}

export function validateParamKind({ apiVersion, kind }: ParamKind): StatusCause[] {
  return (Object.entries({ apiVersion, kind }) as [string, string | undefined][])
    .filter(([, value]) => !value)
    .map(([name]) => required(`spec.paramKind.${name}`));
}

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

/** A policy has rules; a binding may narrow it down without. */
export function validateMatch(match: MatchResources, field: string, needsRules = true): StatusCause[] {
  const rules = match.resourceRules ?? [];
  return [
    ...(rules.length > 0 || !needsRules ? [] : [required(`${field}.resourceRules`)]),
    ...rules.flatMap((rule, index) => validateRule(rule, `${field}.resourceRules[${index}]`)),
    ...(match.excludeResourceRules ?? []).flatMap((rule, index) =>
      validateRule(rule, `${field}.excludeResourceRules[${index}]`),
    ),
    ...optionalOneOf(`${field}.matchPolicy`, match.matchPolicy, ['Equivalent', 'Exact']),
    ...validateLabelSelector(match.namespaceSelector, `${field}.namespaceSelector`),
    ...validateLabelSelector(match.objectSelector, `${field}.objectSelector`),
  ];
}
