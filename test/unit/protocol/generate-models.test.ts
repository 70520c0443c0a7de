import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { generateModels } from '../../../protocol/generate-models.ts';
import type { SchemaSet } from '../../../protocol/schema/schema.ts';

const committed = (name: string) =>
  readFileSync(new URL(`../../../protocol/generated/${name}`, import.meta.url), 'utf8');
const generated = generateModels();
const schemas = JSON.parse(generated.schemas) as SchemaSet;

test('the committed models and schemas are those of the installed client and registry', () => {
  assert.equal(generated.models, committed('models.ts'), 'run `npm run generate`');
  assert.equal(generated.schemas, committed('schemas.json'), 'run `npm run generate`');
});

test('every reference leads to a schema', () => {
  const names = new Set(Object.keys(schemas));
  const missing = [...generated.schemas.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)]
    .map(([, name = '']) => name)
    .filter((name) => !names.has(name));
  assert.deepEqual(missing, []);
});

test('a schema bears the name Kubernetes gives it, also where the client forgets the group', () => {
  for (const name of [
    'io.k8s.api.core.v1.Event',
    'io.k8s.api.core.v1.PodTemplateSpec',
    'io.k8s.api.core.v1.ResourceClaim',
    'io.k8s.api.apps.v1.DeploymentStrategy',
    'io.k8s.api.autoscaling.v1.Scale',
    'io.k8s.api.coordination.v1.LeaseSpec',
    'io.k8s.api.policy.v1.Eviction',
    'io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector',
    'io.k8s.apimachinery.pkg.util.intstr.IntOrString',
  ]) {
    assert.ok(schemas[name], name);
  }
});

/** Its description shows an annotation that holds JSON, escaped as it is there. */
const showsJsonInJson = ['io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicyBindingSpec'];

test('descriptions are free of the escapes of the code generator', () => {
  for (const [name, schema] of Object.entries(schemas)) {
    const escaped = /\\\\["']/.test(JSON.stringify(schema));
    assert.equal(escaped, showsJsonInJson.includes(name), name);
  }
  assert.match(
    schemas['io.k8s.api.core.v1.PodSpec']?.properties?.['dnsPolicy']?.description ?? '',
    /"ClusterFirst"/,
  );
});

test('a field that has a description upstream has one here', () => {
  const bare = Object.entries(schemas).flatMap(([name, schema]) =>
    Object.entries(schema.properties ?? {})
      // Kubernetes does not document the words of JSON schema either.
      .filter(() => !/\.(?:JSONSchemaProps|ExternalDocumentation)$/.test(name))
      .filter(([, field]) => field.description === undefined && !('$ref' in field) && !('allOf' in field))
      .map(([field]) => `${name}.${field}`),
  );
  const undocumentedUpstream = ['io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent.type'];
  assert.deepEqual(bare, undocumentedUpstream);
});

test('lists carry the merge rules that only the Go sources know', () => {
  const ports = schemas['io.k8s.api.core.v1.Container']?.properties?.['ports'];
  assert.equal(ports?.['x-kubernetes-patch-merge-key'], 'containerPort');
  assert.deepEqual(ports?.['x-kubernetes-list-map-keys'], ['containerPort', 'protocol']);
  const tolerations = schemas['io.k8s.api.core.v1.PodSpec']?.properties?.['tolerations'];
  assert.equal(tolerations?.['x-kubernetes-list-type'], 'atomic');
  assert.equal(tolerations?.['x-kubernetes-patch-strategy'], undefined);
});
