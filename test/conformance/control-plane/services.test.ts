import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EndpointSlice, Pod, ServiceSpec } from '../../../protocol/generated/models.ts';
import { endpointSliceKind } from '../../../protocol/kinds/endpoint-slice.ts';
import { endpointsKind } from '../../../protocol/kinds/endpoints.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { serviceKind } from '../../../protocol/kinds/service.ts';
import { isStatus } from '../../../protocol/status.ts';
import { ControlPlane } from './control-plane.ts';

const at = (name: string) => ({ namespace: 'default', name });

function service(plane: ControlPlane, name: string, spec: ServiceSpec) {
  const ports = [{ name: 'web', port: 80, targetPort: 'http' }];
  return plane.registry.create(serviceKind, { metadata: at(name), spec: { ports, ...spec } });
}

/** A pod that is as it says: nobody runs it. */
async function pod(
  plane: ControlPlane,
  name: string,
  facts: { ip: string; ready?: boolean; labels?: Record<string, string>; port?: number },
) {
  const { ip, ready = true, labels = { app: 'web' }, port = 8080 } = facts;
  const ports = [{ name: 'http', containerPort: port }];
  const created = await plane.registry.create(podKind, {
    metadata: { ...at(name), labels },
    spec: { containers: [{ name: 'c', image: 'i', ports }], schedulerName: 'nobody' },
  });
  await setStatus(plane, name, { ip, ready });
  return created;
}

async function setStatus(plane: ControlPlane, name: string, { ip, ready }: { ip: string; ready: boolean }) {
  const change = (draft: Pod) => {
    const conditions = [{ type: 'Ready', status: ready ? 'True' : 'False' }];
    draft.status = { phase: 'Running', podIP: ip, podIPs: [{ ip }], conditions };
  };
  await plane.registry.mutate(podKind, at(name), change, { subresource: 'status' });
}

async function slicesOf(plane: ControlPlane, name: string): Promise<EndpointSlice[]> {
  const labelSelector = `kubernetes.io/service-name=${name}`;
  return (await plane.registry.list(endpointSliceKind, { namespace: 'default', labelSelector })).items;
}

async function endpointsOf(plane: ControlPlane, name: string) {
  return (await slicesOf(plane, name))
    .flatMap(({ endpoints = [], ports = [] }) =>
      endpoints.map(({ addresses, conditions }) => {
        const { ready, serving, terminating } = conditions ?? {};
        const marks = [ready && 'ready', serving && 'serving', terminating && 'terminating'].filter(Boolean);
        return `${addresses[0]}:${ports.map(({ port }) => port).join()} ${marks.join(' ')}`.trim();
      }),
    )
    .sort();
}

async function quiet(plane: ControlPlane): Promise<void> {
  await plane.untilQuiet(3_000);
}

describe('endpoints of a service', () => {
  it('are its pods, with the ports that their names mean in each', async () => {
    await using plane = await ControlPlane.start([
      { name: 'a', labels: { 'topology.kubernetes.io/zone': 'barn' } },
    ]);
    await service(plane, 'web', { selector: { app: 'web' } });
    await pod(plane, 'one', { ip: '10.0.0.1' });
    await pod(plane, 'two', { ip: '10.0.0.2', port: 9090 });
    await pod(plane, 'slow', { ip: '10.0.0.3', ready: false });
    await pod(plane, 'other', { ip: '10.0.0.4', labels: { app: 'shop' } });
    await quiet(plane);
    assert.deepEqual(await endpointsOf(plane, 'web'), [
      '10.0.0.1:8080 ready serving',
      '10.0.0.2:9090 ready serving',
      '10.0.0.3:8080',
    ]);
    const { subsets } = await plane.registry.get(endpointsKind, at('web'));
    const brief = subsets?.map(({ addresses = [], notReadyAddresses = [], ports = [] }) => [
      addresses.map(({ ip }) => ip),
      notReadyAddresses.map(({ ip }) => ip),
      ports.map(({ name, port }) => `${name}:${port}`),
    ]);
    assert.deepEqual(brief, [
      [['10.0.0.1'], ['10.0.0.3'], ['web:8080']],
      [['10.0.0.2'], [], ['web:9090']],
    ]);
    const [slice] = await slicesOf(plane, 'web');
    assert.equal(
      slice?.metadata?.labels?.['endpointslice.kubernetes.io/managed-by'],
      'endpointslice-controller.k8s.io',
    );
    assert.equal(slice?.metadata?.ownerReferences?.[0]?.kind, 'Service');
  });

  it('follow labels, readiness, selectors and deletions', async () => {
    await using plane = await ControlPlane.start(['a']);
    await service(plane, 'web', { selector: { app: 'web' } });
    await pod(plane, 'one', { ip: '10.0.0.1' });
    await pod(plane, 'two', { ip: '10.0.0.2', labels: { app: 'shop' } });
    await quiet(plane);
    assert.deepEqual(await endpointsOf(plane, 'web'), ['10.0.0.1:8080 ready serving']);
    await setStatus(plane, 'one', { ip: '10.0.0.1', ready: false });
    await plane.registry.mutate(
      podKind,
      at('two'),
      (draft) => void (draft.metadata!.labels = { app: 'web' }),
    );
    await quiet(plane);
    assert.deepEqual(await endpointsOf(plane, 'web'), ['10.0.0.1:8080', '10.0.0.2:8080 ready serving']);
    await plane.registry.mutate(
      serviceKind,
      at('web'),
      (draft) => void (draft.spec!.selector = { app: 'none' }),
    );
    await quiet(plane);
    assert.deepEqual(await endpointsOf(plane, 'web'), []);
    assert.equal((await slicesOf(plane, 'web')).length, 1, 'an empty slice tells that there are none');
    await plane.registry.mutate(
      serviceKind,
      at('web'),
      (draft) => void (draft.spec!.selector = { app: 'web' }),
    );
    await plane.registry.delete(podKind, at('one'), { gracePeriodSeconds: 0 });
    await quiet(plane);
    assert.deepEqual(await endpointsOf(plane, 'web'), ['10.0.0.2:8080 ready serving']);
    await plane.registry.delete(serviceKind, at('web'));
    await quiet(plane);
    assert.deepEqual(await slicesOf(plane, 'web'), []);
    await assert.rejects(plane.registry.get(endpointsKind, at('web')), (error) =>
      isStatus(error, 'NotFound'),
    );
  });

  it('on their way out serve but are not ready; who publishes all gets all', async () => {
    await using plane = await ControlPlane.start(['a']);
    await service(plane, 'web', { selector: { app: 'web' } });
    await service(plane, 'all', {
      selector: { app: 'web' },
      clusterIP: 'None',
      publishNotReadyAddresses: true,
    });
    await pod(plane, 'slow', { ip: '10.0.0.3', ready: false });
    await pod(plane, 'one', { ip: '10.0.0.1' });
    await plane.registry.mutate(
      podKind,
      at('one'),
      (draft) => void (draft.metadata!.finalizers = ['example.dev/hold']),
    );
    await plane.registry.delete(podKind, at('one'), { gracePeriodSeconds: 30 });
    await quiet(plane);
    assert.deepEqual(await endpointsOf(plane, 'web'), ['10.0.0.1:8080 serving terminating', '10.0.0.3:8080']);
    assert.deepEqual(await endpointsOf(plane, 'all'), [
      '10.0.0.1:8080 ready serving terminating',
      '10.0.0.3:8080 ready',
    ]);
    const [slice] = await slicesOf(plane, 'all');
    assert.equal(slice?.metadata?.labels?.['service.kubernetes.io/headless'], '');
  });

  it('on a silent device are not ready for others until it is back; the pods stay as they were last told', async () => {
    await using plane = await ControlPlane.start(['a', 'b']);
    await service(plane, 'web', { selector: { app: 'web' } });
    for (const [index, nodeName] of ['a', 'b'].entries()) {
      const ports = [{ name: 'http', containerPort: 80 }];
      await plane.registry.create(podKind, {
        metadata: { ...at(`on-${nodeName}`), labels: { app: 'web' } },
        spec: { nodeName, containers: [{ name: 'c', image: 'i', ports }] },
      });
      await setStatus(plane, `on-${nodeName}`, { ip: `10.0.0.${index + 1}`, ready: true });
    }
    const conditions = async () =>
      (await slicesOf(plane, 'web'))
        .flatMap(({ endpoints = [] }) => endpoints)
        .map(({ nodeName, conditions: said }) => [nodeName, said?.ready, said?.serving])
        .sort(([one = ''], [other = '']) => (String(one) < String(other) ? -1 : 1));
    await quiet(plane);
    await plane.setReady('a', 'Unknown');
    await quiet(plane);
    assert.deepEqual(await conditions(), [
      ['a', false, undefined],
      ['b', true, true],
    ]);
    const [subset] = (await plane.registry.get(endpointsKind, at('web'))).subsets ?? [];
    assert.deepEqual(
      [subset?.addresses, subset?.notReadyAddresses].map((addresses) => addresses?.[0]?.nodeName),
      ['b', 'a'],
    );
    const pods = (await plane.registry.list(podKind, { namespace: 'default' })).items;
    for (const { status } of pods)
      assert.equal(status?.conditions?.find(({ type }) => type === 'Ready')?.status, 'True');
    await plane.setReady('a', 'True');
    await quiet(plane);
    assert.deepEqual(await conditions(), [
      ['a', true, true],
      ['b', true, true],
    ]);
  });

  it('are written only when they change', async () => {
    await using plane = await ControlPlane.start(['a']);
    await service(plane, 'web', { selector: { app: 'web' } });
    await pod(plane, 'one', { ip: '10.0.0.1' });
    await quiet(plane);
    const [before] = await slicesOf(plane, 'web');
    const change = (draft: Pod) => void (draft.metadata!.annotations = { note: 'x' });
    await plane.registry.mutate(podKind, at('one'), change);
    await plane.crash();
    await plane.startWork();
    await quiet(plane);
    const after = await slicesOf(plane, 'web');
    assert.deepEqual(
      after.map(({ metadata }) => metadata?.resourceVersion),
      [before?.metadata?.resourceVersion],
    );
  });

  it('that people write for a service without a selector are mirrored as slices', async () => {
    await using plane = await ControlPlane.start(['a']);
    await service(plane, 'out', { ports: [{ port: 80 }] });
    const addresses = Array.from({ length: 150 }, (_, index) => ({ ip: `192.0.2.${index + 1}` }));
    await plane.registry.create(endpointsKind, {
      metadata: at('out'),
      subsets: [{ addresses, ports: [{ port: 80 }] }],
    });
    await quiet(plane);
    const slices = await slicesOf(plane, 'out');
    assert.deepEqual(slices.map(({ endpoints }) => endpoints?.length).sort(), [100, 50]);
    assert.equal(
      slices[0]?.metadata?.labels?.['endpointslice.kubernetes.io/managed-by'],
      'endpointslicemirroring-controller.k8s.io',
    );
    await plane.registry.delete(endpointsKind, at('out'));
    await quiet(plane);
    assert.deepEqual(await slicesOf(plane, 'out'), []);
  });
});
