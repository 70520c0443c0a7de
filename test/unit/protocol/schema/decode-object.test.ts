import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { KindDefinition, KubernetesObject } from '../../../../protocol/kinds/define-kind.ts';
import { deploymentKind } from '../../../../protocol/kinds/deployment.ts';
import { eventKind } from '../../../../protocol/kinds/event.ts';
import { podKind } from '../../../../protocol/kinds/pod.ts';
import { kinds } from '../../../../protocol/kinds/registry.ts';
import { secretKind } from '../../../../protocol/kinds/secret.ts';
import { serviceKind } from '../../../../protocol/kinds/service.ts';
import { createObjectDecoder, type DecodeOptions } from '../../../../protocol/schema/decode-object.ts';
import { findDuplicateFields } from '../../../../protocol/schema/duplicate-fields.ts';
import { schemas } from '../../../../protocol/schema/schemas.ts';
import { StatusError } from '../../../../protocol/status.ts';

const decoder = createObjectDecoder(schemas);
const strict: DecodeOptions = { fieldValidation: 'Strict' };
const warn: DecodeOptions = { fieldValidation: 'Warn' };

function decode<T extends KubernetesObject>(kind: KindDefinition<T>, value: unknown, options = strict) {
  return decoder.decode(kind, value, options);
}

function refusal<T extends KubernetesObject>(
  kind: KindDefinition<T>,
  value: unknown,
  options = strict,
): string {
  try {
    decode(kind, value, options);
  } catch (error) {
    assert.ok(error instanceof StatusError);
    assert.equal(error.reason, 'BadRequest');
    return error.message;
  }
  return 'accepted';
}

test('unknown fields are named with their whole path, all of them at once', () => {
  const typo = {
    spec: { replicaz: 3, template: { spec: { foo: 1, containers: [{ name: 'a', imagee: 'x' }] } } },
  };
  assert.equal(
    refusal(deploymentKind, typo),
    'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field "spec.replicaz", unknown field "spec.template.spec.foo", unknown field "spec.template.spec.containers[0].imagee"',
  );
});

test('unknown fields are pruned with a warning under Warn, in silence under Ignore', () => {
  const typo = () => ({ metadata: { name: 'a' }, spec: { replicaz: 3, replicas: 2 } });
  assert.deepEqual(decode(deploymentKind, typo(), warn), {
    object: { metadata: { name: 'a' }, spec: { replicas: 2 } },
    warnings: ['unknown field "spec.replicaz"'],
  });
  const ignored = decode(deploymentKind, typo(), { fieldValidation: 'Ignore' });
  assert.deepEqual(ignored.warnings, []);
  assert.equal('replicaz' in (ignored.object.spec ?? {}), false);
});

test('wrong types are refused in the words of the Go decoder, whatever the field validation', () => {
  const cases: [KindDefinition, unknown, string][] = [
    [
      deploymentKind,
      { spec: { replicas: 'three' } },
      'json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      deploymentKind,
      { spec: { replicas: 1.5 } },
      'json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      podKind,
      { spec: { containers: {} } },
      'json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container',
    ],
    [
      podKind,
      { spec: { containers: [{ image: 7 }] } },
      'json: cannot unmarshal number into Go struct field Container.spec.containers.image of type string',
    ],
    [
      podKind,
      { metadata: { labels: { a: true } } },
      'json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.labels of type string',
    ],
    [podKind, 'pod', 'json: cannot unmarshal string into Go value of type v1.Pod'],
    [podKind, { spec: [] }, 'json: cannot unmarshal array into Go struct field Pod.spec of type v1.PodSpec'],
    [secretKind, { data: { a: '*' } }, 'illegal base64 data at input byte 0'],
    [
      podKind,
      { metadata: { creationTimestamp: 'noon' } },
      'parsing time "noon" as "2006-01-02T15:04:05Z07:00": cannot parse "noon"',
    ],
    [
      podKind,
      { spec: { containers: [{ resources: { requests: { cpu: '1 core' } } }] } },
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    ],
  ];
  for (const [kind, value, expected] of cases) {
    const message = `${kind.kind} in version "v1" cannot be handled as a ${kind.kind}: ${expected}`;
    assert.equal(refusal(kind, structuredClone(value), warn), message);
    assert.equal(refusal(kind, structuredClone(value), strict), message);
  }
});

test('values with several spellings take their canonical one', () => {
  const pod = decode(podKind, {
    metadata: { creationTimestamp: '2026-01-31T14:00:00.5+02:00' },
    spec: { containers: [{ name: 'a', resources: { limits: { cpu: 0.5, memory: '1024Mi' } } }] },
  }).object;
  assert.equal(pod.metadata?.creationTimestamp, '2026-01-31T12:00:00Z');
  assert.deepEqual(pod.spec?.containers[0]?.resources?.limits, { cpu: '500m', memory: '1Gi' });
  const event = decode(eventKind, {
    metadata: {},
    involvedObject: {},
    eventTime: '2026-01-31T12:00:00.123Z',
  });
  assert.equal(event.object.eventTime, '2026-01-31T12:00:00.123000Z');
  const service = decode(serviceKind, {
    spec: {
      ports: [
        { port: 1, targetPort: 'web' },
        { port: 2, targetPort: 8 },
      ],
    },
  });
  assert.deepEqual(
    service.object.spec?.ports?.map((port) => port.targetPort),
    ['web', 8],
  );
});

test('null stands for absent in an object, for the empty value in lists and maps', () => {
  const { object } = decode(podKind, {
    metadata: { creationTimestamp: null, labels: { a: null } },
    spec: { containers: [null, { name: 'a', args: ['x', null] }], nodeName: null },
    status: null,
  });
  assert.deepEqual(object, {
    metadata: { labels: { a: '' } },
    spec: { containers: [{}, { name: 'a', args: ['x', ''] }] },
  });
});

test('__proto__ and constructor are fields like others and change no prototype', () => {
  const hostile =
    '{"metadata":{"name":"a","__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":1}}}}';
  const { object, warnings } = decode(podKind, JSON.parse(hostile), warn);
  assert.deepEqual(warnings, ['unknown field "metadata.__proto__"', 'unknown field "metadata.constructor"']);
  assert.deepEqual(object, { metadata: { name: 'a' } });
  assert.equal(Object.getPrototypeOf(object.metadata), Object.prototype);
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
  const inMap = JSON.parse('{"metadata":{"labels":{"__proto__":"x"}}}') as unknown;
  assert.match(refusal(podKind, inMap), /key "__proto__" is not allowed/);
  const inFreeForm = JSON.parse(
    '{"metadata":{"managedFields":[{"fieldsV1":{"f:a":{"__proto__":{}}}}]}}',
  ) as unknown;
  assert.match(refusal(podKind, inFreeForm), /key "__proto__" is not allowed/);
});

test('depth is limited where a schema would allow any', () => {
  const nested = (depth: number) => JSON.parse('{"a":'.repeat(depth) + '1' + '}'.repeat(depth)) as unknown;
  const pod = (depth: number) => ({ metadata: { managedFields: [{ fieldsV1: nested(depth) }] } });
  assert.equal(refusal(podKind, pod(100)), 'accepted');
  assert.match(refusal(podKind, pod(5000)), /json: exceeded max depth/);
});

test('decoding what was decoded changes nothing, for any kind and any JSON', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...kinds),
      fc.object({ maxDepth: 3, withNullPrototype: false }),
      (kind, value) => {
        const input = JSON.parse(JSON.stringify({ metadata: value, spec: value, ...value })) as unknown;
        let once: unknown;
        try {
          once = decode(kind, input, warn).object;
        } catch (error) {
          return error instanceof StatusError;
        }
        const copy = structuredClone(once);
        const again = decode(kind, copy, strict);
        assert.deepEqual(again.object, once);
        return true;
      },
    ),
    { numRuns: 200 },
  );
});

test('a field that the text says twice is named with its path', () => {
  const text =
    '{"spec":{"replicas":1,"a":{"replicas":2},"list":[{"x":"a,{}\\"","x":2},{"y":1}],"replicas":3}}';
  assert.deepEqual(findDuplicateFields(text), ['spec.list[0].x', 'spec.replicas']);
  assert.equal(
    refusal(deploymentKind, JSON.parse('{"spec":{"replicas":3}}'), {
      fieldValidation: 'Strict',
      duplicateFields: ['spec.replicas'],
    }),
    'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: duplicate field "spec.replicas"',
  );
});

test('what a serializer writes has no duplicate fields', () => {
  fc.assert(
    fc.property(fc.json(), (text) => findDuplicateFields(text).length === 0),
    { numRuns: 200 },
  );
});
