import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod, PodSpec } from '../../../../protocol/generated/models.ts';
import { podKind } from '../../../../protocol/kinds/pod.ts';
import { podRequests, qosClassOf } from '../../../../protocol/kinds/pod-spec/resources.ts';
import { admit } from './admit.ts';

const podOf = (spec: Partial<PodSpec>): Pod => ({
  metadata: { name: 'p', namespace: 'here' },
  spec: { containers: [{ name: 'a', image: 'a:1' }], ...spec },
});
const admitted = (spec: Partial<PodSpec>) => admit(podKind, podOf(spec)).spec ?? { containers: [] };

test('a pod that says little is filled in as Kubernetes fills it in', () => {
  assert.deepEqual(admit(podKind, podOf({})), {
    metadata: { name: 'p', namespace: 'here' },
    spec: {
      containers: [
        {
          name: 'a',
          image: 'a:1',
          imagePullPolicy: 'IfNotPresent',
          resources: {},
          terminationMessagePath: '/dev/termination-log',
          terminationMessagePolicy: 'File',
        },
      ],
      dnsPolicy: 'ClusterFirst',
      enableServiceLinks: true,
      restartPolicy: 'Always',
      schedulerName: 'default-scheduler',
      securityContext: {},
      terminationGracePeriodSeconds: 30,
    },
    status: { phase: 'Pending', qosClass: 'BestEffort' },
  });
});

test('an image of a moving tag is pulled always', () => {
  const policies: Record<string, string> = {
    a: 'Always',
    'a:latest': 'Always',
    'host:5000/a': 'Always',
    'host:5000/a:1': 'IfNotPresent',
    'a:1.2': 'IfNotPresent',
    [`a@sha256:${'0'.repeat(64)}`]: 'IfNotPresent',
    [`a:latest@sha256:${'0'.repeat(64)}`]: 'IfNotPresent',
  };
  for (const [image, policy] of Object.entries(policies)) {
    assert.equal(
      admitted({ containers: [{ name: 'a', image }] }).containers[0]?.imagePullPolicy,
      policy,
      image,
    );
  }
});

test('probes, ports, references and volumes are filled in', () => {
  const spec = admitted({
    hostNetwork: true,
    containers: [
      {
        name: 'a',
        image: 'a:1',
        ports: [{ containerPort: 80 }],
        livenessProbe: { httpGet: { port: 80 } },
        readinessProbe: { grpc: { port: 1 } },
        env: [{ name: 'X', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
      },
    ],
    volumes: [
      { name: 'e' },
      { name: 's', secret: { secretName: 's' } },
      { name: 'h', hostPath: { path: '/x' } },
    ],
  });
  const [container] = spec.containers;
  assert.deepEqual(container?.ports, [{ containerPort: 80, hostPort: 80, protocol: 'TCP' }]);
  const timing = { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 };
  assert.deepEqual(container?.livenessProbe, { httpGet: { port: 80, path: '/', scheme: 'HTTP' }, ...timing });
  assert.deepEqual(container?.readinessProbe, { grpc: { port: 1, service: '' }, ...timing });
  assert.equal(container?.env?.[0]?.valueFrom?.fieldRef?.apiVersion, 'v1');
  assert.deepEqual(spec.volumes, [
    { name: 'e', emptyDir: {} },
    { name: 's', secret: { secretName: 's', defaultMode: 420 } },
    { name: 'h', hostPath: { path: '/x', type: '' } },
  ]);
});

test('a limit without a request is the request, and what a client says of the status is dropped', () => {
  const limits = { cpu: '1', memory: '1Gi' };
  const pod = admit(podKind, {
    ...podOf({ containers: [{ name: 'a', image: 'a:1', resources: { limits } }] }),
    status: { phase: 'Running', podIP: '10.0.0.1' },
  });
  assert.deepEqual(pod.spec?.containers[0]?.resources, { limits, requests: limits });
  assert.deepEqual(pod.status, { phase: 'Pending', qosClass: 'Guaranteed' });
});

const withResources = (requests?: Record<string, string>, limits?: Record<string, string>) => ({
  name: 'a',
  resources: { ...(requests && { requests }), ...(limits && { limits }) },
});

test('the QoS class follows from requests and limits', () => {
  const full = { cpu: '1', memory: '1Gi' };
  assert.equal(qosClassOf({ containers: [withResources()] }), 'BestEffort');
  assert.equal(qosClassOf({ containers: [withResources({ cpu: '0' })] }), 'BestEffort');
  assert.equal(qosClassOf({ containers: [withResources({ cpu: '1' })] }), 'Burstable');
  assert.equal(qosClassOf({ containers: [withResources(full, full)] }), 'Guaranteed');
  assert.equal(
    qosClassOf({ containers: [withResources({ cpu: '1000m', memory: '1024Mi' }, full)] }),
    'Guaranteed',
  );
  assert.equal(qosClassOf({ containers: [withResources(full, full), withResources()] }), 'Burstable');
});

test('a pod asks for the sum of its containers, or for its largest step of initialization if that is more', () => {
  const step = { ...withResources({ cpu: '2', memory: '16Mi' }), name: 'init' };
  const sidecar = { ...withResources({ cpu: '100m' }), name: 'side', restartPolicy: 'Always' };
  const spec: PodSpec = {
    containers: [withResources({ cpu: '500m', memory: '64Mi' }), withResources({ cpu: '250m' })],
    overhead: { memory: '1Mi' },
  };
  assert.deepEqual(podRequests(spec), { cpu: '750m', memory: '65Mi' });
  assert.deepEqual(podRequests({ ...spec, initContainers: [step] }), { cpu: '2', memory: '65Mi' });
  assert.deepEqual(podRequests({ ...spec, initContainers: [sidecar] }), { cpu: '850m', memory: '65Mi' });
  assert.deepEqual(podRequests({ ...spec, initContainers: [sidecar, step] }), {
    cpu: '2100m',
    memory: '65Mi',
  });
});

test('a pod that is not bound, or is finished, goes at once; others get their grace period', () => {
  const grace = (pod: Pod, requested?: number) => podKind.deletion?.gracePeriodSeconds(pod, requested);
  const bound = podOf({ nodeName: 'n', terminationGracePeriodSeconds: 7 });
  assert.equal(grace(podOf({}), 60), 0);
  assert.equal(grace(bound), 7);
  assert.equal(grace(bound, 0), 0);
  assert.equal(grace(bound, 60), 60);
  assert.equal(grace({ ...bound, status: { phase: 'Succeeded' } }), 0);
});
