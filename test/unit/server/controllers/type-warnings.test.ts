import assert from 'node:assert/strict';
import { test } from 'node:test';
import { admissionCompiler, policyVariables } from '../../../../protocol/cel/admission-expression.ts';
import { deploymentKind } from '../../../../protocol/kinds/deployment.ts';
import { statefulSetKind } from '../../../../protocol/kinds/stateful-set.ts';
import { typeWarnings } from '../../../../server/controllers/policy-types/type-warnings.ts';

test('a field that a kind does not have is told with its place; what cannot be known is not', () => {
  const warnings = typeWarnings(
    {
      variables: [{ name: 'a', expression: 'object.spec.template.spec.containers' }],
      matchConditions: [{ name: 'b', expression: 'has(object.metadata.labels.anything)' }],
      validations: [
        { expression: 'object.spec.relicas > 1', messageExpression: 'string(oldObject.status.x)' },
        { expression: 'object.spec.serviceName == "a" && params.anything && request.userInfo.x == 1' },
        { expression: 'object.spec.template.spec.containers.all(c, c.whatever == 1)' },
        { expression: 'variables.a.size() < 3 && object.spec.replicas < 5' },
      ],
    },
    [deploymentKind, statefulSetKind],
    admissionCompiler(policyVariables),
  );
  const missing = (field: string, ...kinds: string[]) =>
    kinds.map((kind) => `apps/v1, Kind=${kind}: ERROR: <input>: undefined field '${field}'`).join('\n');
  assert.deepEqual(warnings, [
    {
      fieldRef: 'spec.validations[0].expression',
      warning: missing('relicas', 'Deployment', 'StatefulSet'),
    },
    {
      fieldRef: 'spec.validations[0].messageExpression',
      warning: missing('x', 'Deployment', 'StatefulSet'),
    },
    { fieldRef: 'spec.validations[1].expression', warning: missing('serviceName', 'Deployment') },
  ]);
});
