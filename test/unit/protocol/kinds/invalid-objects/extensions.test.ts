import { describe } from 'node:test';
import { customResourceDefinitionKind } from '../../../../../protocol/kinds/custom-resource-definition.ts';
import { deviceClassKind } from '../../../../../protocol/kinds/device-class.ts';
import { mutatingAdmissionPolicyKind } from '../../../../../protocol/kinds/mutating-admission-policy.ts';
import { resourceClaimKind } from '../../../../../protocol/kinds/resource-claim.ts';
import { resourceSliceKind } from '../../../../../protocol/kinds/resource-slice.ts';
import { validatingAdmissionPolicyKind } from '../../../../../protocol/kinds/validating-admission-policy.ts';
import { validatingAdmissionPolicyBindingKind } from '../../../../../protocol/kinds/validating-admission-policy-binding.ts';
import { validatingWebhookConfigurationKind } from '../../../../../protocol/kinds/validating-webhook-configuration.ts';
import { sampleOf } from '../../../../support/kind-samples.ts';
import { label, portRange, refuses, refusesChange, subdomain } from './refusals.ts';

const metadata = { name: 's' };
const unsupported = (value: string, ...supported: string[]) =>
  `Unsupported value: "${value}": supported values: ${supported.map((one) => `"${one}"`).join(', ')}`;

describe('definitions of kinds', () => {
  const version = {
    name: 'v1',
    served: true,
    storage: true,
    schema: { openAPIV3Schema: { type: 'object' } },
  };
  const definition = {
    metadata: { name: 'things.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'things', kind: 'Thing' },
      versions: [version],
    },
  };
  const v = 'spec.versions.0';
  const at = 'spec.versions[0]';
  const schema = `${v}.schema.openAPIV3Schema`;
  const s = `${at}.schema.openAPIV3Schema`;
  const spec = (properties: object) => ({ type: 'object', properties });
  refuses(customResourceDefinitionKind, definition, [
    [
      'metadata.name',
      'others.example.com',
      'metadata.name: Invalid value: "others.example.com": must be spec.names.plural+"."+spec.group',
    ],
    ['spec.scope', 'World', `spec.scope: ${unsupported('World', 'Cluster', 'Namespaced')}`],
    [
      'spec.names.kind',
      'a b',
      /^spec.names.singular: Invalid value: "a b": a DNS-1035 label/,
      /^spec.names.kind: Invalid value: "a b": may have mixed case, but should otherwise match: a DNS-1035 label/,
      /^spec.names.listKind: /,
    ],
    [
      'spec.names.listKind',
      'Thing',
      'spec.names.listKind: Invalid value: "Thing": kind and listKind may not be the same',
    ],
    ['spec.names.shortNames', ['A'], /^spec.names.shortNames\[0\]: Invalid value: "A": a DNS-1035 label/],
    [
      v,
      { ...version, storage: false },
      'spec.versions: Invalid value: ["v1"]: must have exactly one version marked as storage version',
    ],
    [
      'spec.versions.1',
      { ...version, storage: false },
      'spec.versions: Invalid value: ["v1","v1"]: must contain unique version names',
    ],
    [`${v}.name`, 'V1', /^spec.versions\[0\].name: Invalid value: "V1": a DNS-1035 label/],
    [`${v}.schema`, undefined, `${at}.schema.openAPIV3Schema: Required value: schemas are required`],
    [
      'spec.preserveUnknownFields',
      true,
      'spec.preserveUnknownFields: Invalid value: true: must be false in order to use defaults in the schema',
    ],
    [
      'spec.conversion',
      { strategy: 'Magic' },
      `spec.conversion.strategy: ${unsupported('Magic', 'None', 'Webhook')}`,
    ],
    [
      'spec.conversion',
      { strategy: 'Webhook' },
      'spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook',
      'spec.conversion.conversionReviewVersions: Required value',
    ],
    [
      `${v}.subresources`,
      { scale: { specReplicasPath: 'x', statusReplicasPath: '.spec.n' } },
      `${at}.subresources.scale.specReplicasPath: Invalid value: "x": is an invalid path`,
      `${at}.subresources.scale.statusReplicasPath: Invalid value: ".spec.n": should be a json path under .status`,
    ],
    [
      `${v}.additionalPrinterColumns`,
      [{ name: '', type: 'text', jsonPath: '.a' }],
      `${at}.additionalPrinterColumns[0].name: Required value`,
      `${at}.additionalPrinterColumns[0].type: ${unsupported('text', 'boolean', 'date', 'integer', 'number', 'string')}`,
    ],
    [schema, {}, `${s}.type: Required value: must not be empty at the root`],
    [
      schema,
      spec({ a: {} }),
      `${s}.properties[a].type: Required value: must not be empty for specified object fields`,
    ],
    [schema, spec({ a: { type: 'array' } }), `${s}.properties[a].items: Required value: must be specified`],
    [
      schema,
      spec({ a: { type: 'word' } }),
      /^spec.versions\[0\].schema.openAPIV3Schema.properties\[a\].type: Unsupported value: "word"/,
    ],
    [
      schema,
      spec({ a: { type: 'object', properties: {}, additionalProperties: { type: 'string' } } }),
      `${s}.properties[a].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive`,
    ],
    [
      schema,
      spec({ a: { type: 'array', items: { type: 'string' }, uniqueItems: true } }),
      `${s}.properties[a].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic`,
    ],
    [
      schema,
      { ...spec({}), 'x-kubernetes-validations': [{ rule: 'self.a ==' }] },
      /^spec.versions\[0\].schema.openAPIV3Schema.x-kubernetes-validations\[0\].rule: Invalid value: "self.a ==": compilation failed: ERROR: <input>: /,
    ],
    [
      schema,
      { ...spec({}), 'x-kubernetes-validations': [{ rule: '1 + 1' }] },
      /x-kubernetes-validations\[0\].rule: Invalid value: "1 \+ 1": cel expression must evaluate to a bool/,
    ],
    [
      schema,
      { ...spec({}), 'x-kubernetes-validations': [{ rule: '' }] },
      /x-kubernetes-validations\[0\].rule: Required value: rule is not specified/,
    ],
  ]);
  refusesChange(customResourceDefinitionKind, definition, [
    ['spec.group', 'other.com', 'spec.group: Invalid value: "other.com": field is immutable'],
    ['spec.names.plural', 'others', 'spec.names.plural: Invalid value: "others": field is immutable'],
  ]);
});

describe('webhooks and policies', () => {
  const rule = { operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] };
  const webhook = {
    name: 'pods.example.com',
    admissionReviewVersions: ['v1'],
    sideEffects: 'None',
    clientConfig: { service: { namespace: 'default', name: 'web' } },
    rules: [rule],
  };
  const w = 'webhooks.0';
  const h = 'webhooks[0]';
  const form = 'desired format: https://host[/path]';
  refuses(validatingWebhookConfigurationKind, { metadata, webhooks: [webhook] }, [
    [
      `${w}.name`,
      'pods',
      `${h}.name: Invalid value: "pods": should be a domain with at least three segments separated by dots`,
    ],
    [`${w}.name`, 'A.b.c', `${h}.name: Invalid value: "A.b.c": ${subdomain}`],
    ['webhooks.1', webhook, 'webhooks[1].name: Duplicate value: "pods.example.com"'],
    [
      `${w}.admissionReviewVersions`,
      [],
      `${h}.admissionReviewVersions: Required value: must specify one of v1, v1beta1`,
    ],
    [
      `${w}.admissionReviewVersions`,
      ['v2'],
      `${h}.admissionReviewVersions: Invalid value: ["v2"]: must include at least one of v1, v1beta1`,
    ],
    [`${w}.sideEffects`, 'Some', `${h}.sideEffects: ${unsupported('Some', 'None', 'NoneOnDryRun')}`],
    [`${w}.failurePolicy`, 'Cry', `${h}.failurePolicy: ${unsupported('Cry', 'Fail', 'Ignore')}`],
    [
      `${w}.timeoutSeconds`,
      31,
      `${h}.timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds`,
    ],
    [`${w}.clientConfig`, {}, `${h}.clientConfig: Required value: exactly one of url or service is required`],
    [
      `${w}.clientConfig`,
      { url: 'http://a' },
      `${h}.clientConfig.url: Invalid value: "http": 'https' is the only allowed URL scheme; ${form}`,
    ],
    [
      `${w}.clientConfig`,
      { url: 'https://u:p@a?b#c' },
      `${h}.clientConfig.url: Invalid value: "u:p": user information is not permitted in the URL`,
      `${h}.clientConfig.url: Invalid value: "c": fragments are not permitted in the URL`,
      `${h}.clientConfig.url: Invalid value: "b": query parameters are not permitted in the URL`,
    ],
    [
      `${w}.clientConfig.service.name`,
      '',
      `${h}.clientConfig.service.name: Required value: service name is required`,
    ],
    [
      `${w}.clientConfig.service.port`,
      0,
      `${h}.clientConfig.service.port: Invalid value: 0: port is not valid: ${portRange}`,
    ],
    [
      `${w}.clientConfig.service.path`,
      'a',
      `${h}.clientConfig.service.path: Invalid value: "a": must start with a '/'`,
    ],
    [
      `${w}.clientConfig.service.path`,
      '/a//b',
      `${h}.clientConfig.service.path: Invalid value: "/a//b": segment[1] may not be empty`,
    ],
    [
      `${w}.rules.0.operations`,
      ['SEE'],
      `${h}.rules[0].operations[0]: ${unsupported('SEE', '*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE')}`,
    ],
    [
      `${w}.rules.0.operations`,
      ['*', 'CREATE'],
      `${h}.rules[0].operations: Invalid value: ["*","CREATE"]: if '*' is present, must not specify other operations`,
    ],
    [
      `${w}.rules.0.apiGroups`,
      ['*', ''],
      `${h}.rules[0].apiGroups: Invalid value: ["*",""]: if '*' is present, must not specify other API groups`,
    ],
    [`${w}.rules.0.apiVersions`, [''], `${h}.rules[0].apiVersions[0]: Required value`],
    [`${w}.rules.0.resources`, [], `${h}.rules[0].resources: Required value`],
    [
      `${w}.rules.0.resources`,
      ['pods/*', 'pods/log'],
      `${h}.rules[0].resources[1]: Invalid value: "pods/log": if 'pods/*' is present, must not specify pods/log`,
    ],
    [
      `${w}.rules.0.resources`,
      ['*/scale', 'a/scale'],
      `${h}.rules[0].resources[1]: Invalid value: "a/scale": if '*/scale' is present, must not specify a/scale`,
    ],
    [
      `${w}.rules.0.resources`,
      ['*/*', 'a'],
      `${h}.rules[0].resources: Invalid value: ["*/*","a"]: if '*/*' is present, must not specify other resources`,
    ],
    [
      `${w}.rules.0.resources`,
      ['*', 'a'],
      `${h}.rules[0].resources: Invalid value: ["*","a"]: if '*' is present, must not specify other resources without subresources`,
    ],
    [
      `${w}.rules.0.scope`,
      'World',
      `${h}.rules[0].scope: ${unsupported('World', '*', 'Cluster', 'Namespaced')}`,
    ],
    [
      `${w}.matchConditions`,
      [{ name: 'a b', expression: 'true' }],
      /^webhooks\[0\].matchConditions\[0\].name: Invalid value: "a b": name part must consist/,
    ],
    [
      `${w}.matchConditions`,
      [{ name: 'a', expression: '' }],
      /^webhooks\[0\].matchConditions\[0\].expression: Required value/,
    ],
  ]);
  const policy = { metadata, ...sampleOf(validatingAdmissionPolicyKind) };
  refuses(validatingAdmissionPolicyKind, policy, [
    ['spec.matchConstraints', undefined, 'spec.matchConstraints: Required value'],
    ['spec.matchConstraints.resourceRules', [], 'spec.matchConstraints.resourceRules: Required value'],
    [
      'spec.validations',
      [],
      'spec.validations: Required value: validations or auditAnnotations must be non-empty; requires at least one',
    ],
    [
      'spec.validations.0.expression',
      '',
      'spec.validations[0].expression: Required value: expression is not specified',
    ],
    [
      'spec.validations.0.expression',
      'object.',
      /^spec.validations\[0\].expression: Invalid value: "object\.": compilation failed: /,
    ],
    [
      'spec.validations.0.message',
      'a\nb',
      'spec.validations[0].message: Invalid value: "a\\nb": message must not contain line breaks',
    ],
    [
      'spec.validations.0.reason',
      'Because',
      `spec.validations[0].reason: ${unsupported('Because', 'Forbidden', 'Invalid', 'RequestEntityTooLarge', 'Unauthorized')}`,
    ],
    ['spec.failurePolicy', 'Cry', `spec.failurePolicy: ${unsupported('Cry', 'Fail', 'Ignore')}`],
    [
      'spec.paramKind',
      {},
      'spec.paramKind.apiVersion: Required value',
      'spec.paramKind.kind: Required value',
    ],
    [
      'spec.variables',
      [{ name: '1a', expression: 'true' }],
      'spec.variables[0].name: Invalid value: "1a": name is not a valid CEL identifier',
    ],
  ]);
  const binding = { metadata, spec: { policyName: 'p', validationActions: ['Deny'] } };
  const both =
    'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)';
  refuses(validatingAdmissionPolicyBindingKind, binding, [
    ['spec.policyName', '', 'spec.policyName: Required value'],
    [
      'spec.validationActions',
      [],
      'spec.validationActions: Required value: at least one validation action is required',
    ],
    [
      'spec.validationActions',
      ['Deny', 'Warn'],
      `spec.validationActions: Invalid value: ["Deny","Warn"]: ${both}`,
    ],
    [
      'spec.validationActions',
      ['Log'],
      `spec.validationActions[0]: ${unsupported('Log', 'Audit', 'Deny', 'Warn')}`,
    ],
    [
      'spec.paramRef',
      { parameterNotFoundAction: 'Deny' },
      'spec.paramRef: Required value: one of name or selector must be specified',
    ],
    ['spec.paramRef', { name: 'a' }, 'spec.paramRef.parameterNotFoundAction: Required value'],
    [
      'spec.paramRef',
      { name: 'a', parameterNotFoundAction: 'Cry' },
      `spec.paramRef.parameterNotFoundAction: ${unsupported('Cry', 'Deny', 'Allow')}`,
    ],
    [
      'spec.paramRef',
      { name: 'a', selector: {}, parameterNotFoundAction: 'Deny' },
      'spec.paramRef.name: Forbidden: name and selector are mutually exclusive',
      'spec.paramRef.selector: Forbidden: name and selector are mutually exclusive',
    ],
    [
      'spec.matchResources',
      { matchPolicy: 'Some' },
      `spec.matchResources.matchPolicy: ${unsupported('Some', 'Equivalent', 'Exact')}`,
    ],
  ]);
  refuses(mutatingAdmissionPolicyKind, { metadata, ...sampleOf(mutatingAdmissionPolicyKind) }, [
    ['spec.mutations', [], 'spec.mutations: Required value: mutations must contain at least one item'],
    [
      'spec.mutations.0.patchType',
      'Wish',
      `spec.mutations[0].patchType: ${unsupported('Wish', 'ApplyConfiguration', 'JSONPatch')}`,
    ],
    ['spec.reinvocationPolicy', undefined, 'spec.reinvocationPolicy: Required value'],
  ]);
});

describe('devices', () => {
  const request = { name: 'gpu', exactly: { deviceClassName: 'gpu' } };
  const claim = { metadata: { ...metadata, namespace: 'here' }, spec: { devices: { requests: [request] } } };
  const r = 'spec.devices.requests';
  refuses(resourceClaimKind, claim, [
    [`${r}.0.name`, '', `${r}[0].name: Required value`],
    [`${r}.0.name`, 'A', `${r}[0].name: Invalid value: "A": ${label}`],
    [`${r}.1`, request, `${r}[1].name: Duplicate value: "gpu"`],
    [
      `${r}.0.exactly`,
      undefined,
      `${r}[0]: Required value: exactly one of \`exactly\` or \`firstAvailable\` is required`,
    ],
    [`${r}.0.exactly.deviceClassName`, '', `${r}[0].exactly.deviceClassName: Required value`],
    [
      `${r}.0.exactly.deviceClassName`,
      'A',
      `${r}[0].exactly.deviceClassName: Invalid value: "A": ${subdomain}`,
    ],
    [`${r}.0.exactly.count`, -1, `${r}[0].exactly.count: Invalid value: -1: must be greater than zero`],
    [
      `${r}.0.exactly`,
      { deviceClassName: 'gpu', allocationMode: 'All', count: 2 },
      `${r}[0].exactly.count: Invalid value: 2: must not be specified when allocationMode is 'All'`,
    ],
    [
      `${r}.0.exactly.allocationMode`,
      'Some',
      `${r}[0].exactly.allocationMode: ${unsupported('Some', 'All', 'ExactCount')}`,
    ],
    [`${r}.0.exactly.selectors`, [{}], `${r}[0].exactly.selectors[0].cel: Required value`],
    [
      `${r}.0.exactly.selectors`,
      [{ cel: { expression: 'device.' } }],
      /exactly.selectors\[0\].cel.expression: Invalid value: "device\.": compilation failed: /,
    ],
    [
      'spec.devices.constraints',
      [{ requests: ['tpu'], matchAttribute: 'a.com/b' }],
      'spec.devices.constraints[0].requests[0]: Invalid value: "tpu": must be the name of a request in the claim or the name of a request and a subrequest separated by \'/\'',
    ],
  ]);
  refuses(deviceClassKind, { metadata, spec: {} }, [
    [
      'spec.selectors',
      [{ cel: { expression: '1' } }],
      /^spec.selectors\[0\].cel.expression: Invalid value: "1": must evaluate to bool/,
    ],
  ]);
  const slice = {
    metadata,
    spec: { driver: 'd', pool: { name: 'p', generation: 1, resourceSliceCount: 1 }, nodeName: 'n' },
  };
  refuses(resourceSliceKind, slice, [
    ['spec.driver', '', 'spec.driver: Required value'],
    ['spec.pool.name', '', 'spec.pool.name: Required value'],
    [
      'spec.nodeName',
      undefined,
      'spec: Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required',
    ],
    ['spec.devices', [{ name: 'A' }], `spec.devices[0].name: Invalid value: "A": ${label}`],
    ['spec.devices', [{ name: 'a' }, { name: 'a' }], 'spec.devices[1].name: Duplicate value: "a"'],
  ]);
});
