import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Container, Pod, PodSpec } from '../../../../protocol/generated/models.ts';
import { podKind } from '../../../../protocol/kinds/pod.ts';
import { faults, updateFaults } from './admit.ts';

const podOf = (spec: Partial<PodSpec>): Pod => ({
  metadata: { name: 'p', namespace: 'here' },
  spec: { containers: [{ name: 'a', image: 'a:1' }], ...spec },
});
const withContainer = (container: Partial<Container>): Pod =>
  podOf({ containers: [{ name: 'a', image: 'a:1', ...container }] });

const label =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

/** What a pod gets wrong, and Kubernetes' words for it. */
const refused: [Pod, string[]][] = [
  [podOf({ containers: [] }), ['spec.containers: Required value']],
  [withContainer({ name: '' }), ['spec.containers[0].name: Required value']],
  [withContainer({ name: 'A_b' }), [`spec.containers[0].name: Invalid value: "A_b": ${label}`]],
  [withContainer({ image: '' }), ['spec.containers[0].image: Required value']],
  [
    withContainer({ image: ' a' }),
    ['spec.containers[0].image: Invalid value: " a": must not have leading or trailing whitespace'],
  ],
  [
    podOf({
      containers: [
        { name: 'a', image: 'a:1' },
        { name: 'a', image: 'a:1' },
      ],
    }),
    ['spec.containers[1].name: Duplicate value: "a"'],
  ],
  [
    podOf({ initContainers: [{ name: 'a', image: 'a:1', livenessProbe: { exec: { command: ['x'] } } }] }),
    [
      'spec.initContainers[0].name: Duplicate value: "a"',
      'spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always',
    ],
  ],
  [
    podOf({ restartPolicy: 'Sometimes' }),
    ['spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"'],
  ],
  [
    withContainer({ imagePullPolicy: 'Maybe' }),
    [
      'spec.containers[0].imagePullPolicy: Unsupported value: "Maybe": supported values: "Always", "IfNotPresent", "Never"',
    ],
  ],
  [
    withContainer({
      ports: [{ containerPort: 70000 }, { containerPort: 1, name: 'Web' }, { containerPort: 0 }],
    }),
    [
      'spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive',
      'spec.containers[0].ports[1].name: Invalid value: "Web": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)',
      'spec.containers[0].ports[2].containerPort: Required value',
    ],
  ],
  [
    withContainer({
      ports: [
        { containerPort: 1, hostPort: 80 },
        { containerPort: 2, hostPort: 80 },
      ],
    }),
    ['spec.containers[0].ports[1].hostPort: Duplicate value: "TCP//80"'],
  ],
  [
    withContainer({ env: [{ name: 'A=B' }, { name: '' }, { name: 'X', valueFrom: {} }] }),
    [
      'spec.containers[0].env[0].name: Invalid value: "A=B": a valid environment variable name must consist only of printable ASCII characters other than \'=\'',
      'spec.containers[0].env[1].name: Required value',
      'spec.containers[0].env[2].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`',
    ],
  ],
  [
    withContainer({ env: [{ name: 'X', value: 'x', valueFrom: { fieldRef: { fieldPath: 'spec.color' } } }] }),
    [
      'spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty',
      'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.color": error converting fieldPath: field label not supported: spec.color',
    ],
  ],
  [
    withContainer({ volumeMounts: [{ name: 'v', mountPath: '/x' }] }),
    ['spec.containers[0].volumeMounts[0].name: Not found: "v"'],
  ],
  [
    {
      ...podOf({
        volumes: [{ name: 'v', emptyDir: {} }],
        containers: [
          {
            name: 'a',
            image: 'a:1',
            volumeMounts: [
              { name: 'v', mountPath: '/x', subPath: '../y' },
              { name: 'v', mountPath: '/x' },
            ],
          },
        ],
      }),
    },
    [
      'spec.containers[0].volumeMounts[0].subPath: Invalid value: "../y": must not contain \'..\'',
      'spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/x": must be unique',
    ],
  ],
  [
    podOf({ volumes: [{ name: 'v', emptyDir: {}, hostPath: { path: '/x' } }] }),
    ['spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type'],
  ],
  [
    podOf({ volumes: [{ name: 'v', hostPath: { path: '/a/../b' } }] }),
    ['spec.volumes[0].hostPath.path: Invalid value: "/a/../b": must not contain \'..\''],
  ],
  [
    withContainer({ resources: { requests: { cpu: '2' }, limits: { cpu: '1' } } }),
    [
      'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
    ],
  ],
  [
    withContainer({ resources: { limits: { memory: '-1', 'no_good!': '1', gpus: '1' } } }),
    [
      'spec.containers[0].resources.limits[memory]: Invalid value: "-1": must be greater than or equal to 0',
      'spec.containers[0].resources.limits[gpus]: Invalid value: "gpus": must be a standard resource type or fully qualified',
      'spec.containers[0].resources.limits[gpus]: Invalid value: "gpus": must be a standard resource for containers',
      'spec.containers[0].resources.requests[memory]: Invalid value: "-1": must be greater than or equal to 0',
      'spec.containers[0].resources.requests[gpus]: Invalid value: "gpus": must be a standard resource type or fully qualified',
      'spec.containers[0].resources.requests[gpus]: Invalid value: "gpus": must be a standard resource for containers',
    ],
  ],
  [
    withContainer({ livenessProbe: {}, readinessProbe: { exec: { command: [] } } }),
    [
      'spec.containers[0].livenessProbe: Required value: must specify a handler type',
      'spec.containers[0].readinessProbe.exec.command: Required value',
    ],
  ],
  [
    withContainer({ livenessProbe: { tcpSocket: { port: 0 }, successThreshold: 2, periodSeconds: -1 } }),
    [
      'spec.containers[0].livenessProbe.tcpSocket.port: Invalid value: 0: must be between 1 and 65535, inclusive',
      'spec.containers[0].livenessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0',
      'spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1',
    ],
  ],
  [
    podOf({ tolerations: [{ key: 'a', operator: 'Exists', value: 'x' }, { operator: 'Equal' }] }),
    [
      'spec.tolerations[0].operator: Invalid value: {"key":"a","operator":"Exists","value":"x"}: value must be empty when `operator` is \'Exists\'',
      'spec.tolerations[1].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which means "match all values and all keys"',
    ],
  ],
  [
    podOf({ terminationGracePeriodSeconds: -1, activeDeadlineSeconds: 0 }),
    [
      'spec.terminationGracePeriodSeconds: Invalid value: -1: must be greater than or equal to 0',
      'spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive',
    ],
  ],
  [
    podOf({ ephemeralContainers: [{ name: 'debug', image: 'a' }] }),
    ['spec.ephemeralContainers: Forbidden: cannot be set on create'],
  ],
];

suite('a pod is refused in the words of Kubernetes', () => {
  for (const [pod, expected] of refused) {
    test(expected[0] ?? '', () => {
      const found = faults(podKind, pod);
      // Resource names that are no names at all come with a long explanation of names.
      assert.deepEqual(
        found.filter((text) => !text.includes('no_good!')),
        expected,
      );
      assert.ok(found.length > 0);
    });
  }
});

test('a pod that uses much is accepted', () => {
  const pod = podOf({
    volumes: [
      { name: 'c', configMap: { name: 'c', items: [{ key: 'k', path: 'a/b' }] } },
      {
        name: 'd',
        downwardAPI: { items: [{ path: 'l', fieldRef: { fieldPath: "metadata.labels['a/b']" } }] },
      },
      { name: 't', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } },
    ],
    initContainers: [
      { name: 'side', image: 'a:1', restartPolicy: 'Always', startupProbe: { httpGet: { port: 'web' } } },
    ],
    containers: [
      {
        name: 'a',
        image: 'a:1',
        ports: [
          { containerPort: 80, name: 'web' },
          { containerPort: 80, protocol: 'UDP' },
        ],
        env: [
          { name: 'X', value: '1' },
          { name: 'Y', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } },
          { name: 'Z', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } },
        ],
        envFrom: [{ configMapRef: { name: 'c' } }],
        volumeMounts: [{ name: 'c', mountPath: '/c' }],
        resources: { limits: { cpu: '1', 'example.com/gpu': '1' }, requests: { 'example.com/gpu': '1' } },
      },
    ],
    tolerations: [{ key: 'a', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 5 }],
    hostAliases: [{ ip: 'fe80::1', hostnames: ['a.b'] }],
  });
  assert.deepEqual(faults(podKind, pod), []);
});

const rules =
  'spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

suite('what of a pod may change', () => {
  const old = podOf({
    tolerations: [{ key: 'a', operator: 'Exists' }],
    activeDeadlineSeconds: 10,
    terminationGracePeriodSeconds: 5,
  });
  const change = (edit: (spec: PodSpec) => void) =>
    updateFaults(podKind, old, (next) => {
      if (next.spec) edit(next.spec);
    });

  test('an image, a shorter deadline, a further toleration may', () => {
    assert.deepEqual(
      change((spec) => {
        if (spec.containers[0]) spec.containers[0].image = 'a:2';
        spec.activeDeadlineSeconds = 5;
        spec.tolerations = [...(spec.tolerations ?? []), { key: 'b', operator: 'Exists' }];
      }),
      [],
    );
  });

  test('a command, the node, the grace period may not', () => {
    const found = change((spec) => {
      if (spec.containers[0]) spec.containers[0].command = ['x'];
      spec.nodeName = 'other';
      spec.terminationGracePeriodSeconds = 1;
    });
    assert.deepEqual(found, [
      `${rules}\nchanged: spec.containers, spec.terminationGracePeriodSeconds, spec.nodeName`,
    ]);
  });

  test('containers cannot be added or removed', () => {
    assert.deepEqual(
      change((spec) => spec.containers.push({ name: 'b', image: 'b:1' })),
      ['spec.containers: Forbidden: pod updates may not add or remove containers'],
    );
  });

  test('a toleration cannot be taken away, a deadline not be moved out', () => {
    assert.deepEqual(
      change((spec) => {
        spec.tolerations = [];
        spec.activeDeadlineSeconds = 20;
      }),
      [
        'spec.activeDeadlineSeconds: Invalid value: 20: must be less than or equal to previous value',
        'spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds',
      ],
    );
  });
});

test('a write of the pod leaves its status, a write of the status its spec and QoS class', () => {
  const old: Pod = { ...podOf({}), status: { phase: 'Running', qosClass: 'BestEffort' } };
  const next: Pod = { ...podOf({ nodeName: 'x' }), status: { phase: 'Failed', qosClass: 'Guaranteed' } };
  const main = structuredClone(next);
  podKind.prepareUpdate?.(main, old, { subresource: '', now: 0 });
  assert.deepEqual([main.spec, main.status], [next.spec, old.status]);
  const status = structuredClone(next);
  podKind.prepareUpdate?.(status, old, { subresource: 'status', now: 0 });
  assert.deepEqual([status.spec, status.status], [old.spec, { phase: 'Failed', qosClass: 'BestEffort' }]);
});
