import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mutatingAdmissionPolicyKind } from '../../../../protocol/kinds/mutating-admission-policy.ts';
import { validatingAdmissionPolicyKind } from '../../../../protocol/kinds/validating-admission-policy.ts';
import { validatingWebhookConfigurationKind } from '../../../../protocol/kinds/validating-webhook-configuration.ts';

const matchConstraints = {
  resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['*'], resources: ['pods'] }],
};

test('expressions that cannot be evaluated are refused when they are written', () => {
  const causes = validatingAdmissionPolicyKind.validate?.({
    metadata: { name: 'p' },
    spec: {
      matchConstraints,
      paramKind: { kind: 'ConfigMap' },
      variables: [{ name: 'not-a-name', expression: '1' }],
      matchConditions: [
        { name: 'a', expression: 'object.x' },
        { name: 'a', expression: '"text"' },
      ],
      validations: [
        { expression: 'object.spec.x <' },
        { expression: 'self.x > 1', reason: 'Because' },
        { expression: 'true', message: 'two\nlines', messageExpression: '1 + 1' },
        { expression: ' ' },
      ],
    },
  });
  assert.deepEqual(
    causes?.map(({ field, message }) => `${field}: ${message.split('\n')[0]}`),
    [
      'spec.paramKind.apiVersion: Required value',
      'spec.variables[0].name: Invalid value: "not-a-name": name is not a valid CEL identifier',
      'spec.matchConditions[1].expression: Invalid value: "\\"text\\"": must evaluate to bool',
      'spec.matchConditions[1].name: Duplicate value: "a"',
      'spec.validations[0].expression: Invalid value: "object.spec.x <": compilation failed: ERROR: <input>: Unexpected token: EOF',
      'spec.validations[1].expression: Invalid value: "self.x > 1": compilation failed: ERROR: <input>: Unknown variable: self',
      'spec.validations[1].reason: Unsupported value: "Because": supported values: "Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized"',
      'spec.validations[2].messageExpression: Invalid value: "1 + 1": must evaluate to string',
      'spec.validations[2].message: Invalid value: "two\\nlines": message must not contain line breaks',
      'spec.validations[3].expression: Required value: expression is not specified',
    ],
  );
});

test('webhooks may not name what only policies have; mutations must make what is merged or patched', () => {
  const ofWebhook = validatingWebhookConfigurationKind.validate?.({
    metadata: { name: 'w' },
    webhooks: [
      {
        name: 'w.example.com',
        clientConfig: { url: 'https://127.0.0.1/' },
        admissionReviewVersions: ['v1'],
        sideEffects: 'None',
        matchConditions: [{ name: 'a', expression: 'params.x == 1' }],
      },
    ],
  });
  assert.deepEqual(
    ofWebhook?.map(({ field, message }) => `${field}: ${message}`),
    [
      'webhooks[0].matchConditions[0].expression: Invalid value: "params.x == 1": compilation failed: ERROR: <input>: Unknown variable: params',
    ],
  );
  const ofMutations = mutatingAdmissionPolicyKind.validate?.({
    metadata: { name: 'm' },
    spec: {
      matchConstraints,
      reinvocationPolicy: 'Never',
      mutations: [
        {
          patchType: 'ApplyConfiguration',
          applyConfiguration: { expression: 'Object{spec: Object.spec{x: 1}}' },
        },
        { patchType: 'ApplyConfiguration', applyConfiguration: { expression: '[1]' } },
        { patchType: 'JSONPatch', jsonPatch: { expression: 'JSONPatch{op: "remove", path: "/x"}' } },
        { patchType: 'JSONPatch' },
      ],
    },
  });
  assert.deepEqual(
    ofMutations?.map(({ field }) => field),
    [
      'spec.mutations[1].applyConfiguration.expression',
      'spec.mutations[2].jsonPatch.expression',
      'spec.mutations[3].jsonPatch',
    ],
  );
});
