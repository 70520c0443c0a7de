import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { EndpointSlice, Service } from '../../protocol/generated/models.ts';
import { Cluster } from './support/cluster.ts';
import { processDeployment } from './support/manifests.ts';
import { until } from './support/programs.ts';

/** Services as people make them: the real server, a real device, the real kubectl. */
describe('services', () => {
  const ending: (() => Promise<void>)[] = [];
  let cluster: Cluster;

  before(async () => {
    cluster = await Cluster.start(
      { after: (task) => void ending.push(task) },
      { serverFlags: ['--service-cidr', '10.80.0.0/16', '--service-node-port-range', '31000-31099'] },
    );
    await cluster.addNodes(['pi']);
  });
  after(async () => {
    for (const end of ending.reverse()) await end();
  });

  const service = (name: string) => cluster.json<Service & { spec: object }>(['get', 'service', name]);
  const slices = async (name: string) =>
    (
      await cluster.json<{ items: EndpointSlice[] }>([
        'get',
        'endpointslices',
        '-l',
        `kubernetes.io/service-name=${name}`,
      ])
    ).items;
  const ready = async (name: string) =>
    (await slices(name)).flatMap(({ endpoints = [] }) =>
      endpoints.filter(({ conditions }) => conditions?.ready),
    );

  test('the API is a service itself, at the first address', async () => {
    await until('the service kubernetes has endpoints', async () => (await ready('kubernetes')).length === 1);
    assert.match(
      await cluster.ok(['get', 'service', 'kubernetes']),
      /^kubernetes +ClusterIP +10\.80\.0\.1 +<none> +443\/TCP/m,
    );
    assert.match(
      await cluster.ok(['get', 'endpoints', 'kubernetes']),
      new RegExp(`127.0.0.1:${cluster.apiPort}`),
    );
    assert.match(await cluster.ok(['get', 'servicecidrs']), /^kubernetes +10\.80\.0\.0\/16/m);
    await cluster.ok(['delete', 'service', 'kubernetes']);
    await until('the service is back', async () => {
      const { code, stdout } = await cluster.kubectl([
        'get',
        'service',
        'kubernetes',
        '-o',
        'jsonpath={.spec.clusterIP}',
      ]);
      return code === 0 && stdout === '10.80.0.1';
    });
  });

  test('expose gives an address, and endpoints follow the pods', async () => {
    await cluster.apply(processDeployment('web', { replicas: 2 }));
    await cluster.readyPods('web', 2);
    await cluster.ok(['expose', 'deployment', 'web', '--port=80', '--target-port=8080']);
    const { spec } = await service('web');
    assert.match(spec.clusterIP ?? '', /^10\.80\./);
    await until('two endpoints', async () => (await ready('web')).length === 2);
    const [first] = await ready('web');
    assert.deepEqual([first?.nodeName, first?.targetRef?.kind], ['pi', 'Pod']);
    assert.match(await cluster.ok(['describe', 'service', 'web']), /Endpoints: +\S+:8080/);
    await cluster.ok(['scale', 'deployment', 'web', '--replicas=0']);
    await until('no endpoint', async () => (await ready('web')).length === 0);
    assert.match(
      await cluster.ok(['get', 'ipaddresses']),
      new RegExp(`^${spec.clusterIP} +services/default/web`, 'm'),
    );
  });

  test('what somebody has is refused in Kubernetes’ words, also after the server was killed', async () => {
    await cluster.ok(['create', 'service', 'nodeport', 'door', '--tcp=80', '--node-port=31005']);
    const { clusterIP = '' } = (await service('door')).spec;
    await cluster.killServer();
    await cluster.startServer();
    const port = await cluster.kubectl([
      'create',
      'service',
      'nodeport',
      'other',
      '--tcp=80',
      '--node-port=31005',
    ]);
    assert.match(
      port.stderr,
      /spec\.ports\[0\]\.nodePort: Invalid value: 31005: provided port is already allocated$/m,
    );
    const address = await cluster.kubectl([
      'create',
      'service',
      'clusterip',
      'other',
      '--tcp=80',
      `--clusterip=${clusterIP}`,
    ]);
    assert.match(
      address.stderr,
      new RegExp(`failed to allocate IP ${clusterIP}: provided IP is already allocated`),
    );
    await cluster.ok(['delete', 'service', 'door']);
    await cluster.ok(['create', 'service', 'clusterip', 'other', '--tcp=80', `--clusterip=${clusterIP}`]);
  });

  test('an applied manifest keeps what was given out, and a change of type gives it back', async () => {
    const manifest = (type: string) =>
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'kept' },
        spec: { type, selector: { app: 'kept' }, ports: [{ name: 'web', port: 80 }] },
      });
    await cluster.apply(manifest('NodePort'));
    const before = (await service('kept')).spec;
    await cluster.apply(manifest('NodePort').replace('"port":80', '"port":81'));
    await cluster.ok(['replace', '-f', '-'], { input: manifest('NodePort') });
    const kept = (await service('kept')).spec;
    assert.deepEqual(
      [kept.clusterIP, kept.ports?.[0]?.nodePort],
      [before.clusterIP, before.ports?.[0]?.nodePort],
    );
    await cluster.ok(['replace', '-f', '-'], { input: manifest('ClusterIP') });
    const port = before.ports?.[0]?.nodePort ?? 0;
    await cluster.ok(['create', 'service', 'nodeport', 'heir', '--tcp=80', `--node-port=${port}`]);
    await cluster.ok(['create', 'service', 'externalname', 'away', '--external-name=example.org']);
    assert.equal((await service('away')).spec.clusterIP, undefined);
  });
});
