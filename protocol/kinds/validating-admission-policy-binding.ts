import type { ParamRef, ValidatingAdmissionPolicyBinding } from '../generated/models.ts';
import type { StatusCause } from '../status.ts';
import { duplicate, forbidden, invalid, invalidFor, notSupported, oneOf, required } from './cause.ts';
import { ageColumn, nameColumn, textColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsLabel, dnsSubdomain, pathSegment } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { defaultMatch, validateMatch } from './validating-admission-policy.ts';

const actions = ['Audit', 'Deny', 'Warn'];

export const validatingAdmissionPolicyBindingKind = defineKind<ValidatingAdmissionPolicyBinding>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingAdmissionPolicyBinding',
  plural: 'validatingadmissionpolicybindings',
  singular: 'validatingadmissionpolicybinding',
  shortNames: [],
  categories: ['api-extensions'],
  namespaced: false,
  schema: 'io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicyBinding',
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
    const validationActions = binding.spec?.validationActions ?? [];
    const path = 'spec.validationActions';
    const both = validationActions.includes('Deny') && validationActions.includes('Warn');
    return [
      ...validateObjectMeta(binding, dnsSubdomain),
      ...(policyName
        ? invalidFor('spec.policyName', policyName, dnsSubdomain(policyName))
        : [required('spec.policyName')]),
      ...validateParamRef(binding.spec?.paramRef),
      ...(binding.spec?.matchResources
        ? validateMatch(binding.spec.matchResources, 'spec.matchResources', false)
        : []),
      ...(validationActions.length > 0 ? [] : [required(path, 'at least one validation action is required')]),
      ...validationActions.flatMap((action, index) => {
        const at = `${path}[${index}]`;
        if (!actions.includes(action)) return [notSupported(at, action, actions)];
        return validationActions.indexOf(action) < index ? [duplicate(at, action)] : [];
      }),
      ...(both
        ? [
            invalid(
              path,
              validationActions,
              'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)',
            ),
          ]
        : []),
    ];
  },
});

/** Source of rules and wording: pkg/apis/admissionregistration/validation, validateParamRef. */
export function validateParamRef(reference: ParamRef | undefined): StatusCause[] {
  if (!reference) return [];
  const field = 'spec.paramRef';
  const { name, namespace, selector, parameterNotFoundAction: action } = reference;
  const causes: StatusCause[] = [];
  if (name) {
    causes.push(...invalidFor(`${field}.name`, name, pathSegment(name)));
    if (selector) {
      const detail = 'name and selector are mutually exclusive';
      causes.push(forbidden(`${field}.name`, detail), forbidden(`${field}.selector`, detail));
    }
  } else if (!selector) causes.push(required(field, 'one of name or selector must be specified'));
  if (namespace) causes.push(...invalidFor(`${field}.namespace`, namespace, dnsLabel(namespace)));
  if (!action) return [...causes, required(`${field}.parameterNotFoundAction`)];
  return [...causes, ...oneOf(`${field}.parameterNotFoundAction`, action, ['Deny', 'Allow'])];
}

export function paramRefText({ namespace, name, selector }: ParamRef = {}): string {
  if (name !== undefined) return namespace === undefined ? name : `${namespace}/${name}`;
  return selector ? '<selector>' : '<unset>';
}
