import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { MutatingAdmissionPolicySpec, Mutation } from '../../../../../protocol/generated/models.ts';
import { configMapKind } from '../../../../../protocol/kinds/config-map.ts';
import { mutatingAdmissionPolicyKind } from '../../../../../protocol/kinds/mutating-admission-policy.ts';
import { mutatingAdmissionPolicyBindingKind } from '../../../../../protocol/kinds/mutating-admission-policy-binding.ts';
import { podKind } from '../../../../../protocol/kinds/pod.ts';
import { mutatingPolicies } from '../../../../../server/admission/policies/mutating-policies.ts';
import { refused } from '../../registry/registry-fixture.ts';
import { type AdmissionFixture, openAdmission, pod } from '../admission-fixture.ts';

const apply = (expression: string): Mutation => ({
  patchType: 'ApplyConfiguration',
  applyConfiguration: { expression },
});
const patch = (expression: string): Mutation => ({ patchType: 'JSONPatch', jsonPatch: { expression } });

interface Setting extends Partial<MutatingAdmissionPolicySpec> {
  name?: string;
}

async function open(...policies: Setting[]): Promise<AdmissionFixture> {
  const fixture = await openAdmission({ plugins: [mutatingPolicies] });
  for (const [index, { name = `p${index}`, ...spec }] of policies.entries()) {
    const resources = ['pods'];
    const rule = { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources };
    await fixture.createSeen(mutatingAdmissionPolicyKind, {
      metadata: { name },
      spec: { matchConstraints: { resourceRules: [rule] }, reinvocationPolicy: 'Never', ...spec },
    });
    const paramRef = spec.paramKind ? { paramRef: { name: 'param', parameterNotFoundAction: 'Deny' } } : {};
    await fixture.createSeen(mutatingAdmissionPolicyBindingKind, {
      metadata: { name },
      spec: { policyName: name, ...paramRef },
    });
  }
  return fixture;
}

describe('mutating admission policies', () => {
  test('an applied configuration merges: into lists by their keys, into maps by theirs', async () => {
    await using fixture = await open({
      mutations: [
        apply(`Object{
          metadata: Object.metadata{labels: {"tier": "web"}},
          spec: Object.spec{
            initContainers: [Object.spec.initContainers{name: "mesh", image: "mesh:1"}],
            containers: [Object.spec.containers{name: "a", imagePullPolicy: "Always"}]
          }
        }`),
      ],
    });
    const made = await fixture.registry.create(podKind, pod('a', {}, { labels: { app: 'x' } }));
    assert.deepEqual(made.metadata?.labels, { app: 'x', tier: 'web' });
    assert.deepEqual(
      made.spec?.containers.map(({ name, image, imagePullPolicy }) => [name, image, imagePullPolicy]),
      [['a', 'a', 'Always']],
    );
    assert.deepEqual(
      made.spec?.initContainers?.map(({ name }) => name),
      ['mesh'],
    );
  });

  test('a JSON patch changes what its expression says, with parameters and variables', async () => {
    await using fixture = await open({
      paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
      variables: [{ name: 'key', expression: 'jsonpatch.escapeKey("example.com/team")' }],
      matchConditions: [{ name: 'labelled', expression: 'has(object.metadata.labels)' }],
      mutations: [
        patch(
          '[JSONPatch{op: "add", path: "/metadata/labels/" + variables.key, value: params.data.team}, JSONPatch{op: "remove", path: "/metadata/labels/old"}]',
        ),
      ],
    });
    const { registry } = fixture;
    await registry.create(configMapKind, {
      metadata: { name: 'param', namespace: 'default' },
      data: { team: 'red' },
    });
    const made = await registry.create(podKind, pod('a', {}, { labels: { old: 'x' } }));
    assert.deepEqual(made.metadata?.labels, { 'example.com/team': 'red' });
    assert.equal((await registry.create(podKind, pod('b'))).metadata?.labels, undefined);
  });

  test('policies change one after the other, and one that wants it is asked again', async () => {
    const labelled = (key: string, value: string) =>
      apply(`Object{metadata: Object.metadata{labels: {"${key}": ${value}}}}`);
    await using fixture = await open(
      {
        reinvocationPolicy: 'IfNeeded',
        mutations: [
          labelled('seen', 'string(has(object.metadata.labels) && "late" in object.metadata.labels)'),
        ],
      },
      { mutations: [labelled('late', '"yes"')] },
    );
    const made = await fixture.registry.create(podKind, pod('a'));
    assert.deepEqual(made.metadata?.labels, { seen: 'true', late: 'yes' });
  });

  test('a mutation that fails refuses the write or changes nothing, as failurePolicy says', async () => {
    const mutations = [patch('[JSONPatch{op: "remove", path: "/spec/nothing"}]')];
    await using strict = await open({ mutations });
    await assert.rejects(
      strict.registry.create(podKind, pod('a')),
      refused('Forbidden', /^pods "a" is forbidden: policy 'p0' with binding 'p0' denied request: /),
    );
    await using lenient = await open({ mutations, failurePolicy: 'Ignore' });
    await lenient.registry.create(podKind, pod('a'));
    await using odd = await open({ mutations: [apply('Object{spec: Object.spec{containers: "none"}}')] });
    await assert.rejects(odd.registry.create(podKind, pod('a')), refused('Forbidden', /denied request: /));
  });
});
