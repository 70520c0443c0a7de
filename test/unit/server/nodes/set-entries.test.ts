import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod, PodSpec } from '../../../../protocol/generated/models.ts';
import { configMapEntry, namedObjects, podEntry, secretEntry } from '../../../../server/nodes/set-entries.ts';

const pod = (spec: PodSpec, more: Partial<Pod> = {}): Pod => ({
  metadata: { name: 'p', namespace: 'n', uid: 'u', resourceVersion: '7', managedFields: [] },
  spec,
  ...more,
});
const container = { name: 'main', image: 'i' };

test('a status, a new resourceVersion or managed fields are no news to a device', () => {
  const spec = { containers: [container] };
  const one = podEntry(pod(spec, { status: { phase: 'Pending' } }));
  const two = podEntry(
    pod(spec, { metadata: { name: 'p', namespace: 'n', uid: 'u', resourceVersion: '9' } }),
  );
  assert.equal(one.digest, two.digest);
  assert.deepEqual(one.object, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'n', uid: 'u' },
    spec,
  });
});

test('a deletion, its grace, labels and annotations are news', () => {
  const spec = { containers: [container] };
  const base = { name: 'p', namespace: 'n', uid: 'u' };
  const digests = [
    base,
    { ...base, deletionTimestamp: '2026-01-01T00:00:30Z', deletionGracePeriodSeconds: 30 },
    { ...base, deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 0 },
    { ...base, labels: { a: 'b' } },
    { ...base, annotations: { a: 'b' } },
  ].map((metadata) => podEntry({ metadata, spec }).digest);
  assert.equal(new Set(digests).size, digests.length);
});

test('every way of naming a ConfigMap or Secret counts', () => {
  const spec: PodSpec = {
    imagePullSecrets: [{ name: 'pull' }],
    initContainers: [{ name: 'init', envFrom: [{ secretRef: { name: 'from-secret' } }] }],
    containers: [
      {
        name: 'main',
        envFrom: [{ configMapRef: { name: 'from-config' } }],
        env: [
          { name: 'A', valueFrom: { configMapKeyRef: { name: 'key-config', key: 'k' } } },
          { name: 'B', valueFrom: { secretKeyRef: { name: 'key-secret', key: 'k' } } },
          { name: 'C', value: 'plain' },
        ],
      },
    ],
    volumes: [
      { name: 'v1', configMap: { name: 'volume-config' } },
      { name: 'v2', secret: { secretName: 'volume-secret' } },
      {
        name: 'v3',
        projected: { sources: [{ configMap: { name: 'p-config' } }, { secret: { name: 'p-secret' } }] },
      },
      { name: 'v4', emptyDir: {} },
    ],
  };
  assert.deepEqual([...namedObjects(pod(spec))].sort(), [
    'ConfigMap/n/from-config',
    'ConfigMap/n/key-config',
    'ConfigMap/n/p-config',
    'ConfigMap/n/volume-config',
    'Secret/n/from-secret',
    'Secret/n/key-secret',
    'Secret/n/p-secret',
    'Secret/n/pull',
    'Secret/n/volume-secret',
    'Service/default/kubernetes',
  ]);
});

test('of a ConfigMap and a Secret only the content travels', () => {
  const metadata = { name: 'c', namespace: 'n', uid: 'x', resourceVersion: '5', labels: { a: 'b' } };
  assert.deepEqual(configMapEntry({ metadata, data: { k: 'v' } }).object, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'c', namespace: 'n' },
    data: { k: 'v' },
  });
  assert.deepEqual(secretEntry({ metadata, type: 'Opaque', data: { k: 'dg==' } }).object, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'c', namespace: 'n' },
    type: 'Opaque',
    data: { k: 'dg==' },
  });
});
