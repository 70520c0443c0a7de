import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type {
  ValidatingAdmissionPolicyBindingSpec,
  ValidatingAdmissionPolicySpec,
} from '../../../../../protocol/generated/models.ts';
import { configMapKind } from '../../../../../protocol/kinds/config-map.ts';
import { deploymentKind } from '../../../../../protocol/kinds/deployment.ts';
import { validatingAdmissionPolicyKind } from '../../../../../protocol/kinds/validating-admission-policy.ts';
import { validatingAdmissionPolicyBindingKind } from '../../../../../protocol/kinds/validating-admission-policy-binding.ts';
import { StatusError } from '../../../../../protocol/status.ts';
import { validatingPolicies } from '../../../../../server/admission/policies/validating-policies.ts';
import { type AdmissionFixture, openAdmission } from '../admission-fixture.ts';

const ofDeployments = {
  resourceRules: [
    {
      apiGroups: ['apps'],
      apiVersions: ['v1'],
      operations: ['CREATE', 'UPDATE'],
      resources: ['deployments'],
    },
  ],
};

interface Setting {
  policy: Partial<ValidatingAdmissionPolicySpec>;
  binding?: Partial<ValidatingAdmissionPolicyBindingSpec>;
  may?: () => Promise<boolean>;
}

async function open({ policy, binding = {}, may }: Setting): Promise<AdmissionFixture> {
  const fixture = await openAdmission({ plugins: [validatingPolicies], ...(may ? { may } : {}) });
  await fixture.createSeen(validatingAdmissionPolicyKind, {
    metadata: { name: 'limits' },
    spec: { matchConstraints: ofDeployments, ...policy },
  });
  await fixture.createSeen(validatingAdmissionPolicyBindingKind, {
    metadata: { name: 'here' },
    spec: { policyName: 'limits', validationActions: ['Deny'], ...binding },
  });
  return fixture;
}

function deployment(replicas: number, metadata: object = {}) {
  const labels = { app: 'web' };
  return {
    metadata: { name: 'web', namespace: 'default', ...metadata },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'a', image: 'a' }] } },
    },
  };
}

/** What a deployment of so many replicas is told; undefined: it was let through. */
async function told({ registry, asClient }: AdmissionFixture, replicas: number, metadata: object = {}) {
  const options = { ...asClient, dryRun: true };
  const error: unknown = await registry.create(deploymentKind, deployment(replicas, metadata), options).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (error === undefined) return undefined;
  assert.ok(error instanceof StatusError);
  return error.message.replace(
    `deployments.apps "web" is forbidden: ValidatingAdmissionPolicy 'limits' with binding 'here' denied request: `,
    '',
  );
}

const atMost5 = { validations: [{ expression: 'object.spec.replicas <= 5' }] };

describe('validating admission policies', () => {
  test('a policy refuses what its expression does not hold for, in the words of Kubernetes', async () => {
    await using fixture = await open({ policy: atMost5 });
    assert.equal(await told(fixture, 5), undefined);
    assert.equal(await told(fixture, 6), 'failed expression: object.spec.replicas <= 5');
    const error: unknown = await fixture.registry
      .create(deploymentKind, deployment(6))
      .catch((error: unknown) => error);
    assert.ok(error instanceof StatusError);
    const message = `ValidatingAdmissionPolicy 'limits' with binding 'here' denied request: failed expression: object.spec.replicas <= 5`;
    assert.deepEqual(error.toStatus(), {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: `deployments.apps "web" is forbidden: ${message}`,
      reason: 'Invalid',
      details: { name: 'web', group: 'apps', kind: 'deployments', causes: [{ message }] },
      code: 422,
    });
  });

  test('a message, an expression of it, and a reason are told', async () => {
    const validation = (rest: object) => ({
      validations: [{ expression: 'object.spec.replicas <= 5', ...rest }],
    });
    await using fixed = await open({ policy: validation({ message: 'too many' }) });
    assert.equal(await told(fixed, 6), 'too many');
    await using made = await open({
      policy: validation({ messageExpression: '"at most 5, not " + string(object.spec.replicas)' }),
    });
    assert.equal(await told(made, 7), 'at most 5, not 7');
    await using broken = await open({
      policy: validation({ message: 'fixed', messageExpression: 'object.spec.nothing' }),
    });
    assert.equal(await told(broken, 7), 'fixed');
    await using reasoned = await open({ policy: validation({ reason: 'Forbidden' }) });
    const error: unknown = await reasoned.registry
      .create(deploymentKind, deployment(6))
      .catch((error: unknown) => error);
    assert.ok(error instanceof StatusError);
    assert.deepEqual([error.code, error.toStatus().reason], [403, 'Forbidden']);
  });

  test('without a binding nothing is refused; a binding may narrow and may only warn', async () => {
    await using unbound = await open({ policy: atMost5, binding: { policyName: 'other' } });
    assert.equal(await told(unbound, 6), undefined);
    const elsewhere = { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'other' } } };
    await using narrow = await open({ policy: atMost5, binding: { matchResources: elsewhere } });
    assert.equal(await told(narrow, 6), undefined);
    assert.equal(
      await told(narrow, 6, { namespace: 'other' }),
      'failed expression: object.spec.replicas <= 5',
    );
    await using warning = await open({ policy: atMost5, binding: { validationActions: ['Warn', 'Audit'] } });
    assert.equal(await told(warning, 6), undefined);
    assert.deepEqual(warning.warnings, [
      `Validation failed for ValidatingAdmissionPolicy 'limits' with binding 'here': failed expression: object.spec.replicas <= 5`,
    ]);
  });

  test('parameters come from the objects that the binding names; without them it is as the binding says', async () => {
    const policy = {
      paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
      validations: [
        {
          expression: 'object.spec.replicas <= int(params.data.max)',
          messageExpression: '"at most " + params.data.max',
        },
      ],
    };
    const paramRef = { name: 'limits', parameterNotFoundAction: 'Deny' };
    await using named = await open({ policy, binding: { paramRef } });
    assert.equal(
      await told(named, 1),
      'failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction',
    );
    const limits = (name: string, max: string) => ({
      metadata: { name, namespace: 'default', labels: { use: 'limits' } },
      data: { max },
    });
    await named.registry.create(configMapKind, limits('limits', '3'));
    assert.equal(await told(named, 3), undefined);
    assert.equal(await told(named, 4), 'at most 3');
    const allowed = { ...paramRef, parameterNotFoundAction: 'Allow' };
    await using absent = await open({ policy, binding: { paramRef: allowed } });
    assert.equal(await told(absent, 100), undefined);
    const selector = { matchLabels: { use: 'limits' } };
    await using selected = await open({
      policy,
      binding: { paramRef: { selector, parameterNotFoundAction: 'Deny' } },
    });
    await selected.registry.create(configMapKind, limits('a', '9'));
    await selected.registry.create(configMapKind, limits('b', '2'));
    assert.equal(await told(selected, 2), undefined);
    assert.equal(await told(selected, 5), 'at most 2');
    await using unknown = await open({
      policy: { ...policy, paramKind: { apiVersion: 'x.io/v1', kind: 'None' } },
      binding: { paramRef },
    });
    assert.match(
      (await told(unknown, 1)) ?? '',
      /^failed to configure policy: failed to find resource referenced by/,
    );
  });

  test('variables are made once they are named, match conditions say when a policy is asked at all', async () => {
    await using fixture = await open({
      policy: {
        variables: [
          { name: 'replicas', expression: 'object.spec.replicas' },
          { name: 'twice', expression: 'variables.replicas * 2' },
          { name: 'unused', expression: 'object.spec.nothing' },
        ],
        matchConditions: [{ name: 'devs', expression: 'request.userInfo.username == "dev"' }],
        validations: [{ expression: 'variables.twice <= 10' }],
      },
    });
    assert.equal(await told(fixture, 5), undefined);
    assert.equal(await told(fixture, 6), 'failed expression: variables.twice <= 10');
    await fixture.registry.create(deploymentKind, deployment(6));
  });

  test('the namespace and rights can be asked about', async () => {
    const validations = [
      {
        expression:
          'namespaceObject.metadata.name != "other" || authorizer.group("apps").resource("deployments").namespace("other").check("own").allowed()',
        message: 'not in there',
      },
    ];
    await using fixture = await open({ policy: { validations } });
    assert.equal(await told(fixture, 1), undefined);
    assert.equal(await told(fixture, 1, { namespace: 'other' }), 'not in there');
    await using owner = await open({ policy: { validations }, may: async () => true });
    assert.equal(await told(owner, 1, { namespace: 'other' }), undefined);
  });

  test('an expression that fails refuses or not, as failurePolicy says', async () => {
    const validations = [{ expression: 'object.spec.nothing > 1' }];
    await using strict = await open({ policy: { validations } });
    assert.equal(
      await told(strict, 1),
      "expression 'object.spec.nothing > 1' resulted in error: no such key: nothing",
    );
    await using lenient = await open({ policy: { validations, failurePolicy: 'Ignore' } });
    assert.equal(await told(lenient, 1), undefined);
    const endless = '[1,2,3,4,5,6,7,8,9,0].all(a, '.repeat(9) + 'true' + ')'.repeat(9);
    await using slow = await open({ policy: { validations: [{ expression: endless }] } });
    assert.match((await told(slow, 1)) ?? '', /running out of cost budget/);
  });

  test('what a policy notes, and what it refuses where that is only noted, goes to the audit log', async () => {
    await using fixture = await open({
      policy: {
        ...atMost5,
        auditAnnotations: [
          { key: 'size', valueExpression: '"has " + string(object.spec.replicas)' },
          { key: 'nothing', valueExpression: 'null' },
        ],
      },
      binding: { validationActions: ['Audit'] },
    });
    const noted = new Map<string, string>();
    const annotate = (key: string, value: string) => void noted.set(key, value);
    await fixture.registry.create(deploymentKind, deployment(6), { ...fixture.asClient, annotate });
    assert.deepEqual([...noted.keys()].sort(), [
      'limits/size',
      'validation.policy.admission.k8s.io/validation_failure',
    ]);
    assert.equal(noted.get('limits/size'), 'has 6');
    assert.deepEqual(JSON.parse(noted.get('validation.policy.admission.k8s.io/validation_failure') ?? ''), [
      {
        message: 'failed expression: object.spec.replicas <= 5',
        policy: 'limits',
        binding: 'here',
        expressionIndex: '0',
        validationActions: ['Audit'],
      },
    ]);
  });
});
