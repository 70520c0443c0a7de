import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { applyStrategicMergePatch } from '../../../../protocol/patch/strategic-merge-patch.ts';
import { StatusError } from '../../../../protocol/status.ts';

const podSpec = 'io.k8s.api.core.v1.PodSpec';
const container = 'io.k8s.api.core.v1.Container';
const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';
const serviceSpec = 'io.k8s.api.core.v1.ServiceSpec';
const deploymentSpec = 'io.k8s.api.apps.v1.DeploymentSpec';

interface Case {
  rule: string;
  schema: string;
  current: unknown;
  patch: unknown;
  expected: unknown;
}

const cases: Case[] = [
  {
    rule: 'containers merge by name, new ones first',
    schema: podSpec,
    current: { containers: [{ name: 'a', image: 'a:1', env: [{ name: 'X', value: '1' }] }] },
    patch: {
      containers: [
        { name: 'a', image: 'a:2' },
        { name: 'b', image: 'b:1' },
      ],
    },
    expected: {
      containers: [
        { name: 'a', image: 'a:2', env: [{ name: 'X', value: '1' }] },
        { name: 'b', image: 'b:1' },
      ],
    },
  },
  {
    rule: 'an item new to the list comes before the items that the patch does not name',
    schema: podSpec,
    current: { containers: [{ name: 'a' }] },
    patch: { containers: [{ name: 'b' }] },
    expected: { containers: [{ name: 'b' }, { name: 'a' }] },
  },
  {
    rule: 'environment merges by name, inside a container found by name',
    schema: podSpec,
    current: {
      containers: [
        {
          name: 'a',
          env: [
            { name: 'X', value: '1' },
            { name: 'Y', value: '1' },
          ],
        },
      ],
    },
    patch: { containers: [{ name: 'a', env: [{ name: 'Y', value: '2' }] }] },
    expected: {
      containers: [
        {
          name: 'a',
          env: [
            { name: 'X', value: '1' },
            { name: 'Y', value: '2' },
          ],
        },
      ],
    },
  },
  {
    rule: 'container ports merge by containerPort, volume mounts by mountPath',
    schema: container,
    current: { ports: [{ containerPort: 80, name: 'web' }], volumeMounts: [{ mountPath: '/a', name: 'v' }] },
    patch: {
      ports: [{ containerPort: 80, name: 'http' }],
      volumeMounts: [{ mountPath: '/a', readOnly: true }],
    },
    expected: {
      ports: [{ containerPort: 80, name: 'http' }],
      volumeMounts: [{ mountPath: '/a', name: 'v', readOnly: true }],
    },
  },
  {
    rule: 'service ports merge by port',
    schema: serviceSpec,
    current: { ports: [{ port: 80, nodePort: 30080 }] },
    patch: { ports: [{ port: 80, targetPort: 8080 }, { port: 443 }] },
    expected: { ports: [{ port: 80, nodePort: 30080, targetPort: 8080 }, { port: 443 }] },
  },
  {
    rule: 'lists without a merge key are replaced: tolerations, args',
    schema: podSpec,
    current: { tolerations: [{ key: 'a' }], containers: [{ name: 'a', args: ['x', 'y'] }] },
    patch: { tolerations: [{ key: 'b' }], containers: [{ name: 'a', args: ['z'] }] },
    expected: { tolerations: [{ key: 'b' }], containers: [{ name: 'a', args: ['z'] }] },
  },
  {
    rule: 'finalizers merge as a set',
    schema: meta,
    current: { finalizers: ['a/x', 'b/y'] },
    patch: { finalizers: ['b/y', 'c/z'] },
    expected: { finalizers: ['a/x', 'b/y', 'c/z'] },
  },
  {
    rule: 'null removes a field and is not kept where there was none',
    schema: podSpec,
    current: { nodeName: 'n', nodeSelector: { a: '1', b: '2' } },
    patch: { nodeName: null, nodeSelector: { a: null }, affinity: { nodeAffinity: null } },
    expected: { nodeSelector: { b: '2' }, affinity: {} },
  },
  {
    rule: '$patch: delete takes an item out of a list',
    schema: podSpec,
    current: { containers: [{ name: 'a' }, { name: 'b' }] },
    patch: { containers: [{ name: 'a', $patch: 'delete' }] },
    expected: { containers: [{ name: 'b' }] },
  },
  {
    rule: '$patch: replace in a list replaces all of it',
    schema: podSpec,
    current: { containers: [{ name: 'a' }, { name: 'b' }] },
    patch: { containers: [{ $patch: 'replace' }, { name: 'c' }] },
    expected: { containers: [{ name: 'c' }] },
  },
  {
    rule: '$patch: replace in an object replaces it',
    schema: podSpec,
    current: { securityContext: { runAsUser: 1, fsGroup: 2 } },
    patch: { securityContext: { $patch: 'replace', runAsUser: 3 } },
    expected: { securityContext: { runAsUser: 3 } },
  },
  {
    rule: '$patch: delete in an object empties it',
    schema: podSpec,
    current: { securityContext: { runAsUser: 1 } },
    patch: { securityContext: { $patch: 'delete' } },
    expected: { securityContext: {} },
  },
  {
    rule: '$retainKeys drops the other members of a union',
    schema: deploymentSpec,
    current: { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } },
    patch: { strategy: { $retainKeys: ['type'], type: 'Recreate' } },
    expected: { strategy: { type: 'Recreate' } },
  },
  {
    rule: '$retainKeys inside a merged list changes the source of a volume',
    schema: podSpec,
    current: { volumes: [{ name: 'v', emptyDir: {} }] },
    patch: { volumes: [{ name: 'v', $retainKeys: ['name', 'hostPath'], hostPath: { path: '/x' } }] },
    expected: { volumes: [{ name: 'v', hostPath: { path: '/x' } }] },
  },
  {
    rule: '$setElementOrder orders what the patch names; the others stay where they were around it',
    schema: podSpec,
    current: { containers: [{ name: 'a' }, { name: 'side' }, { name: 'b' }] },
    patch: {
      '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }, { name: 'c' }],
      containers: [{ name: 'c', image: 'c' }],
    },
    expected: { containers: [{ name: 'side' }, { name: 'b' }, { name: 'a' }, { name: 'c', image: 'c' }] },
  },
  {
    rule: '$setElementOrder alone reorders',
    schema: podSpec,
    current: { containers: [{ name: 'a' }, { name: 'b' }] },
    patch: { '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }] },
    expected: { containers: [{ name: 'b' }, { name: 'a' }] },
  },
  {
    rule: 'an order is no content where there is no list',
    schema: podSpec,
    current: {},
    patch: { '$setElementOrder/containers': [{ name: 'b' }] },
    expected: {},
  },
  {
    rule: '$deleteFromPrimitiveList takes scalars out',
    schema: meta,
    current: { finalizers: ['a/x', 'b/y'] },
    patch: { '$deleteFromPrimitiveList/finalizers': ['a/x'], '$setElementOrder/finalizers': ['b/y'] },
    expected: { finalizers: ['b/y'] },
  },
  {
    rule: 'directives never become content',
    schema: podSpec,
    current: {},
    patch: {
      securityContext: { $retainKeys: ['runAsUser'], runAsUser: 1 },
      containers: [
        { name: 'a', $patch: 'delete' },
        { name: 'b', '$setElementOrder/env': [], env: [{ name: 'X' }] },
      ],
    },
    expected: { securityContext: { runAsUser: 1 }, containers: [{ name: 'b', env: [{ name: 'X' }] }] },
  },
  {
    rule: 'a field of another type is replaced',
    schema: container,
    current: { ports: 'odd', livenessProbe: { httpGet: { port: 80 } } },
    patch: { ports: [{ containerPort: 1 }], livenessProbe: { httpGet: { port: 'web' } } },
    expected: { ports: [{ containerPort: 1 }], livenessProbe: { httpGet: { port: 'web' } } },
  },
];

for (const { rule, schema, current, patch, expected } of cases) {
  test(`strategic merge patch: ${rule}`, () => {
    const before = structuredClone(current);
    assert.deepEqual(applyStrategicMergePatch(current, patch, schema), expected);
    assert.deepEqual(current, before, 'the current object stays as it is');
  });
}

test('strategic merge patch: what makes no sense is a BadRequest', () => {
  const current = { containers: [{ name: 'a' }], strategy: {} };
  const refused: [unknown, string][] = [
    [{ containers: [{ image: 'x' }] }, 'map: {"image":"x"} does not contain declared merge key: name'],
    [{ containers: [{ name: 'a', $patch: 'spin' }] }, 'error decoding patch: unknown patch type: "spin"'],
    [{ $patch: 'spin' }, 'error decoding patch: unknown patch type: "spin"'],
    [{ $retainKeys: 'type' }, 'error decoding patch: $retainKeys must be a list'],
    [
      { strategy: { $retainKeys: ['type'], rollingUpdate: {} } },
      'error decoding patch: the $retainKeys list must contain all fields present in the patch',
    ],
    [
      { '$setElementOrder/containers': {} },
      'error decoding patch: $setElementOrder/containers must be a list',
    ],
    ['patch', 'error decoding patch: a strategic merge patch is an object'],
    [JSON.parse('{"a":{"__proto__":{}}}'), 'error decoding patch: key "__proto__" is not allowed'],
  ];
  for (const [patch, message] of refused) {
    assert.throws(
      () => applyStrategicMergePatch(current, patch, podSpec),
      (error) => error instanceof StatusError && error.reason === 'BadRequest' && error.message === message,
      message,
    );
  }
});

const names = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const containers = fc.uniqueArray(fc.record({ name: names, image: fc.constantFrom('x', 'y') }), {
  selector: ({ name }) => name,
});

test('strategic merge patch: an empty patch changes nothing, and a patch twice is a patch once', () => {
  fc.assert(
    fc.property(
      containers,
      containers,
      fc.shuffledSubarray(['a', 'b', 'c', 'd', 'e']),
      (current, patch, order) => {
        const before = { containers: current };
        assert.deepEqual(applyStrategicMergePatch(before, {}, podSpec), before);
        const wanted = {
          containers: patch,
          '$setElementOrder/containers': [...new Set([...order, ...patch.map(({ name }) => name)])].map(
            (name) => ({ name }),
          ),
        };
        const once = applyStrategicMergePatch(before, wanted, podSpec);
        assert.deepEqual(applyStrategicMergePatch(once, wanted, podSpec), once);
      },
    ),
  );
});
