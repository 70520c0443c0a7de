import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type EnvironmentSources, resolveContainer } from '../../../../agent/pods/environment.ts';
import { expand } from '../../../../agent/pods/expansion.ts';
import type { Container, EnvVar, Pod } from '../../../../protocol/generated/models.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');
const pod: Pod = {
  metadata: {
    name: 'web',
    namespace: 'ns',
    uid: 'u1',
    labels: { 'app.kubernetes.io/name': 'shop' },
    annotations: { note: 'hi' },
  },
  spec: { serviceAccountName: 'robot', containers: [] },
};
const sources: EnvironmentSources = {
  configMap: (namespace, name) =>
    namespace === 'ns' && name === 'conf' ? { data: { a: '1', b: '2' } } : undefined,
  secret: (namespace, name) =>
    namespace === 'ns' && name === 'keys' ? { data: { token: base64('s3cret') } } : undefined,
  nodeName: 'node1',
  apiServer: () => undefined,
  services: () => [],
  hostIp: '10.0.0.1',
  podIp: '10.1.0.5',
  podIps: ['10.1.0.5', 'fd00::5'],
  allocatable: { cpuMillis: 3500, memoryBytes: 2 ** 30, ephemeralStorageBytes: 2 ** 33 },
};

const web = { hostname: 'web', sharesHost: false };

function resolve(container: Partial<Container>) {
  return resolveContainer(pod, { name: 'app', ...container }, web, sources);
}

function environment(container: Partial<Container>): Record<string, string> {
  const resolved = resolve(container);
  if (resolved.error !== undefined) throw new Error(resolved.error);
  const { HOSTNAME: _own, ...rest } = resolved.environment;
  return rest;
}

function error(container: Partial<Container>): string | undefined {
  return resolve(container).error;
}

test('a pod with a token finds the API by the variables that client libraries read', () => {
  const found = {
    ...sources,
    apiServer: (uid: string) => (uid === 'u1' ? { host: 'hub', port: 6443 } : undefined),
  };
  const resolved = resolveContainer(pod, { name: 'app' }, web, found);
  assert.ok(resolved.error === undefined);
  assert.equal(resolved.environment['KUBERNETES_SERVICE_HOST'], 'hub');
  assert.equal(resolved.environment['KUBERNETES_SERVICE_PORT'], '6443');
});

test('mounts say where their volume goes, with variables in the sub-path', () => {
  const env = [{ name: 'ID', value: '7' }];
  const mount = { name: 'data', mountPath: 'relative/path', subPathExpr: 'device-$(ID)' };
  const resolved = resolve({ env, volumeMounts: [mount] });
  assert.ok(resolved.error === undefined);
  const { mounts } = resolved;
  assert.deepEqual(mounts, [
    {
      volume: 'data',
      mountPath: '/relative/path',
      subPath: 'device-7',
      readOnly: false,
      propagation: 'private',
    },
  ]);
  const unknown = { ...mount, subPathExpr: '$(NOBODY)' };
  assert.equal(error({ volumeMounts: [unknown] }), 'missing value for "NOBODY"');
});

suite('$(NAME) references', () => {
  const known: Record<string, string> = { A: 'a', B: '$(A)', EMPTY: '' };
  for (const [input, expected] of [
    ['$(A)', 'a'],
    ['x-$(A)-y', 'x-a-y'],
    ['$(A)$(A)', 'aa'],
    ['$(EMPTY)', ''],
    ['$(UNKNOWN)', '$(UNKNOWN)'],
    ['$$(A)', '$(A)'],
    ['$$$(A)', '$a'],
    ['$$$$(A)', '$$(A)'],
    ['$A ${A} $', '$A ${A} $'],
    ['$(A', '$(A'],
    ['$()', '$()'],
    ['$(B)', '$(A)'],
  ] as const) {
    test(`${input} becomes ${JSON.stringify(expected)}`, () => {
      assert.equal(
        expand(input, (name) => known[name]),
        expected,
      );
    });
  }
});

suite('environment', () => {
  test('later entries see earlier ones, never themselves or later ones', () => {
    const env = [
      { name: 'A', value: '1' },
      { name: 'B', value: '$(A)$(C)$(B)' },
      { name: 'C', value: '3' },
    ];
    assert.deepEqual(environment({ env }), { A: '1', B: '1$(C)$(B)', C: '3' });
  });

  test('HOSTNAME is the pod’s unless the pod says otherwise', () => {
    assert.equal(resolve({}).error === undefined && environmentOf({})['HOSTNAME'], 'web');
    assert.equal(environmentOf({ env: [{ name: 'HOSTNAME', value: 'mine' }] })['HOSTNAME'], 'mine');
    function environmentOf(container: Partial<Container>) {
      const resolved = resolve(container);
      return resolved.error === undefined ? resolved.environment : {};
    }
  });

  test('fields of the pod and its node', () => {
    const paths = [
      ['metadata.name', 'web'],
      ['metadata.namespace', 'ns'],
      ['metadata.uid', 'u1'],
      ["metadata.labels['app.kubernetes.io/name']", 'shop'],
      ["metadata.annotations['note']", 'hi'],
      ["metadata.labels['absent']", ''],
      ['spec.nodeName', 'node1'],
      ['spec.serviceAccountName', 'robot'],
      ['status.hostIP', '10.0.0.1'],
      ['status.podIP', '10.1.0.5'],
      ['status.podIPs', '10.1.0.5,fd00::5'],
    ] as const;
    for (const [fieldPath, expected] of paths) {
      const env: EnvVar[] = [{ name: 'X', valueFrom: { fieldRef: { fieldPath } } }];
      assert.deepEqual(environment({ env }), { X: expected }, fieldPath);
    }
  });

  test('resources round up to the divisor; an unset limit is what the node has', () => {
    const resources = { limits: { cpu: '1500m', memory: '100Mi' }, requests: { cpu: '250m' } };
    const ref = (resource: string, divisor?: string): Record<string, string> => {
      const resourceFieldRef = { resource, ...(divisor ? { divisor } : {}) };
      return environment({ resources, env: [{ name: 'X', valueFrom: { resourceFieldRef } }] });
    };
    assert.deepEqual(ref('limits.cpu'), { X: '2' });
    assert.deepEqual(ref('limits.cpu', '1m'), { X: '1500' });
    assert.deepEqual(ref('requests.cpu', '1m'), { X: '250' });
    assert.deepEqual(ref('limits.memory', '1Mi'), { X: '100' });
    assert.deepEqual(ref('limits.memory', '1Gi'), { X: '1' });
    assert.deepEqual(ref('requests.memory'), { X: '0' });
    const env = [{ name: 'X', valueFrom: { resourceFieldRef: { resource: 'limits.memory' } } }];
    assert.deepEqual(environment({ env }), { X: String(2 ** 30) });
  });

  test('keys of ConfigMaps and Secrets', () => {
    const env = [
      { name: 'A', valueFrom: { configMapKeyRef: { name: 'conf', key: 'a' } } },
      { name: 'T', valueFrom: { secretKeyRef: { name: 'keys', key: 'token' } } },
    ];
    assert.deepEqual(environment({ env }), { A: '1', T: 's3cret' });
  });

  test('whole sources come with their prefix, and env wins over them', () => {
    const envFrom = [{ prefix: 'C_', configMapRef: { name: 'conf' } }, { secretRef: { name: 'keys' } }];
    const env = [
      { name: 'C_a', value: 'own' },
      { name: 'SEES', value: '$(C_b)' },
    ];
    assert.deepEqual(environment({ envFrom, env }), { C_a: 'own', C_b: '2', token: 's3cret', SEES: '2' });
  });

  test('what is missing is named as kubelet names it', () => {
    const keyOf = (name: string, key: string) => [
      { name: 'X', valueFrom: { configMapKeyRef: { name, key } } },
    ];
    assert.equal(error({ env: keyOf('gone', 'a') }), 'configmap "gone" not found');
    assert.equal(error({ env: keyOf('conf', 'z') }), "couldn't find key z in ConfigMap ns/conf");
    assert.equal(error({ envFrom: [{ secretRef: { name: 'gone' } }] }), 'secret "gone" not found');
    const secretKey = [{ name: 'X', valueFrom: { secretKeyRef: { name: 'keys', key: 'z' } } }];
    assert.equal(error({ env: secretKey }), "couldn't find key z in Secret ns/keys");
  });

  test('an inherited property is no key', () => {
    const env = [{ name: 'X', valueFrom: { configMapKeyRef: { name: 'conf', key: 'constructor' } } }];
    assert.equal(error({ env }), "couldn't find key constructor in ConfigMap ns/conf");
  });

  test('an optional source that is missing leaves the variable out', () => {
    const env = [
      { name: 'X', valueFrom: { configMapKeyRef: { name: 'gone', key: 'a', optional: true } } },
      { name: 'Y', valueFrom: { secretKeyRef: { name: 'keys', key: 'z', optional: true } } },
    ];
    const envFrom = [{ configMapRef: { name: 'gone', optional: true } }];
    assert.deepEqual(environment({ env, envFrom }), {});
  });
});
