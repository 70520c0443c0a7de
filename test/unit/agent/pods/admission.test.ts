import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type AdmissionContext, admit, reservedBy } from '../../../../agent/pods/admission.ts';
import type { PodSpec } from '../../../../protocol/generated/models.ts';
import { container, pod } from './plan-cases.ts';

const free: AdmissionContext = {
  allocatable: { cpuMillis: 1000, memoryBytes: 2 ** 30, ephemeralStorageBytes: 2 ** 33, pods: 3 },
  admitted: [],
  hostPorts: [],
  runtimes: ['oci', 'process'],
};
const asks = (requests: Record<string, string>) => container('app', { resources: { requests } });

function refusal(
  spec: Partial<PodSpec>,
  context: Partial<AdmissionContext> = {},
): [string, string] | undefined {
  const verdict = admit(pod(spec), { ...free, ...context });
  return verdict.admitted ? undefined : [verdict.reason, verdict.message.replace('Pod was rejected: ', '')];
}

suite('admission', () => {
  test('a pod that fits goes to the default runtime, or to the one it names', () => {
    const verdict = admit(pod({ containers: [asks({ cpu: '1' })] }), free);
    assert.deepEqual([verdict.admitted, verdict.admitted && verdict.runtime], [true, 'oci']);
    const named = admit(pod({ runtimeClassName: 'process' }), free);
    assert.equal(named.admitted && named.runtime, 'process');
  });

  test('what does not fit is refused as kubelet words it', () => {
    const admitted = [reservedBy(pod({ containers: [asks({ cpu: '600m', memory: '512Mi' })] }))];
    assert.deepEqual(refusal({ containers: [asks({ cpu: '500m' })] }, { admitted }), [
      'OutOfcpu',
      "Node didn't have enough resource: cpu, requested: 500, used: 600, capacity: 1000",
    ]);
    assert.equal(refusal({ containers: [asks({ memory: '1Gi' })] }, { admitted })?.[0], 'OutOfmemory');
    assert.equal(
      refusal({ containers: [asks({ 'ephemeral-storage': '9Gi' })] })?.[0],
      'OutOfephemeral-storage',
    );
  });

  test('a pod that asks for nothing is admitted on a full node', () => {
    const admitted = [reservedBy(pod({ containers: [asks({ cpu: '2' })] }))];
    assert.equal(refusal({}, { admitted }), undefined);
  });

  test('devices that count as a resource are set aside, none for two pods, and refused when they are gone', () => {
    const counted = new Map([['example.com/modem', ['file/a', 'file/b']]]);
    const modem = (name: string) => container(name, { resources: { limits: { 'example.com/modem': '1' } } });
    const first = admit(pod({ containers: [modem('app')] }), { ...free, counted });
    assert.deepEqual(first.reserved.devices, { app: { 'example.com/modem': ['file/a'] } });
    const admitted = [first.reserved];
    const second = admit(pod({ containers: [modem('app')] }), { ...free, counted, admitted });
    assert.deepEqual(second.reserved.devices, { app: { 'example.com/modem': ['file/b'] } });
    assert.deepEqual(refusal({ containers: [modem('app'), modem('other')] }, { counted, admitted }), [
      'UnexpectedAdmissionError',
      'Allocate failed due to requested number of devices unavailable for example.com/modem. Requested: 1, Available: 0, which is unexpected',
    ]);
    const init = { containers: [modem('app')], initContainers: [modem('first')] };
    assert.deepEqual(admit(pod(init), { ...free, counted, admitted }).reserved.devices, {
      app: { 'example.com/modem': ['file/b'] },
      first: { 'example.com/modem': ['file/b'] },
    });
  });

  test('the number of pods is limited', () => {
    const reserved = reservedBy(pod());
    assert.deepEqual(refusal({}, { admitted: [reserved, reserved, reserved] }), [
      'OutOfpods',
      "Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3",
    ]);
  });

  test('a pod takes its containers and sidecars together, or what its largest init container needs', () => {
    const spec = {
      containers: [asks({ cpu: '100m' }), asks({ cpu: '200m' })],
      initContainers: [asks({ cpu: '250m' }), asks({ cpu: '700m' })],
      overhead: { cpu: '10m' },
    };
    assert.equal(reservedBy(pod(spec)).cpuMillis, 710);
    const sidecar = { ...asks({ cpu: '500m' }), restartPolicy: 'Always' };
    assert.equal(reservedBy(pod({ ...spec, initContainers: [sidecar] })).cpuMillis, 810);
  });

  test('resources that the node does not have are refused', () => {
    assert.equal(
      refusal({ containers: [asks({ 'example.com/gpu': '1' })] })?.[0],
      'UnexpectedAdmissionError',
    );
  });

  test('a runtime class that is not here, and no runtime at all', () => {
    assert.deepEqual(refusal({ runtimeClassName: 'gvisor' }), [
      'RuntimeClassNotFound',
      'RuntimeClass "gvisor" not found on this node; it has oci, process',
    ]);
    assert.equal(refusal({}, { runtimes: [] })?.[0], 'RuntimeUnavailable');
  });

  test('volumes are refused in words until they are done', () => {
    assert.deepEqual(
      refusal({ volumes: [{ name: 'data', iscsi: { iqn: 'x', lun: 0, targetPortal: 'y' } }] }),
      ['UnsupportedVolume', 'volume "data" is of a kind this node cannot mount: iscsi'],
    );
    assert.equal(refusal({ volumes: [{ name: 'data', hostPath: { path: '/data' } }] }), undefined);
  });

  test('what would be dropped in silence is refused: security contexts, names of its own for a host process', () => {
    const named = (spec: Parameters<typeof refusal>[0]) => refusal(spec)?.[0];
    const contained = (more: object) => ({ containers: [container('main', more)] });
    const unsupported = 'UnsupportedSecurityContext';
    assert.equal(named({ securityContext: { runAsUser: 1000 } }), undefined);
    const sysctl = (name: string) => ({ securityContext: { sysctls: [{ name, value: '1' }] } });
    assert.equal(named(sysctl('kernel.msgmax')), 'SysctlForbidden');
    const allowedSysctls = ['kernel.msg*', 'net/core/somaxconn'];
    for (const name of ['kernel.msgmax', 'net.core.somaxconn'])
      assert.equal(refusal(sysctl(name), { allowedSysctls }), undefined);
    assert.equal(refusal(sysctl('net.core.rmem_max'), { allowedSysctls })?.[0], 'SysctlForbidden');
    assert.equal(named(sysctl('net/ipv4/tcp_syncookies')), undefined);
    assert.equal(named({ ...sysctl('net.ipv4.tcp_syncookies'), hostNetwork: true }), 'SysctlForbidden');
    assert.equal(
      named({ ...sysctl('kernel.shm_rmid_forced'), runtimeClassName: 'process' }),
      'SysctlForbidden',
    );
    assert.equal(named(contained({ securityContext: { procMount: 'Unmasked' } })), unsupported);
    const confined = contained({ securityContext: { seccompProfile: { type: 'RuntimeDefault' } } });
    assert.equal(named(confined), undefined);
    assert.equal(named({ ...confined, runtimeClassName: 'process' }), unsupported);
    const dns = { dnsConfig: { nameservers: ['10.0.0.53'] } };
    const onHost = { ...dns, ...contained({ image: 'host' }), runtimeClassName: 'process' };
    assert.equal(named(onHost), 'UnsupportedField');
    assert.equal(
      named({ ...dns, runtimeClassName: 'process' }),
      undefined,
      'with an image it has such files',
    );
    assert.equal(named(dns), undefined);
    assert.equal(named({ securityContext: {} }), undefined, 'what the API fills in asks for nothing');
  });

  for (const [wanted, taken, conflict] of [
    [{ hostPort: 80 }, '/TCP/80', true],
    [{ hostPort: 80 }, '/UDP/80', false],
    [{ hostPort: 80, hostIP: '10.0.0.1' }, '/TCP/80', true],
    [{ hostPort: 80, hostIP: '10.0.0.1' }, '10.0.0.2/TCP/80', false],
    [{ hostPort: 80, hostIP: '0.0.0.0' }, '10.0.0.2/TCP/80', true],
    [{ hostPort: 81 }, '/TCP/80', false],
  ] as const) {
    test(`host port ${JSON.stringify(wanted)} beside ${taken}: ${conflict ? 'refused' : 'admitted'}`, () => {
      const ports = [{ containerPort: 8080, ...wanted }];
      const reason = refusal({ containers: [container('a', { ports })] }, { hostPorts: [taken] })?.[0];
      assert.equal(reason, conflict ? 'NodePorts' : undefined);
    });
  }

  test('on the host network every declared port is a host port', () => {
    const spec = {
      hostNetwork: true,
      containers: [container('a', { ports: [{ containerPort: 53, protocol: 'UDP' }] })],
    };
    assert.deepEqual(reservedBy(pod(spec)).hostPorts, ['/UDP/53']);
  });
});
