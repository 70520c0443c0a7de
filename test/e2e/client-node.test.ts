import assert from 'node:assert/strict';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { CoreV1Api, KubeConfig, makeInformer, type V1ConfigMap } from '@kubernetes/client-node';
import { Cluster } from './support/cluster.ts';
import { until } from './support/programs.ts';

test("an informer of Kubernetes' JavaScript client sees every change, also across a killed server", {
  timeout: 120_000,
}, async (t) => {
  const cluster = await Cluster.start(t);
  const config = new KubeConfig();
  config.loadFromFile(cluster.kubeconfig);
  const api = config.makeApiClient(CoreV1Api);
  const namespace = 'default';
  const write = (name: string, value: string) =>
    api.createNamespacedConfigMap({ namespace, body: { metadata: { name }, data: { value } } });

  await write('before', '1');
  const seen = new Map<string, string | undefined>();
  const informer = makeInformer<V1ConfigMap>(config, `/api/v1/namespaces/${namespace}/configmaps`, () =>
    api.listNamespacedConfigMap({ namespace }),
  );
  const note = (object: V1ConfigMap) => void seen.set(object.metadata?.name ?? '', object.data?.['value']);
  informer.on('add', note);
  informer.on('update', note);
  informer.on('delete', (object) => void seen.delete(object.metadata?.name ?? ''));
  // The client leaves it to its user to go on after the connection broke.
  let stopped = false;
  informer.on('error', () => void (stopped || setTimeout(() => void informer.start(), 100)));
  t.after(async () => {
    stopped = true;
    await informer.stop();
  });
  await informer.start();
  const shows = (expected: Record<string, string>) =>
    until(`the informer holding ${JSON.stringify(expected)}`, () => {
      const held = Object.fromEntries([...seen].filter(([name]) => name !== 'kube-root-ca.crt'));
      return JSON.stringify(Object.entries(held).sort()) === JSON.stringify(Object.entries(expected).sort());
    });

  await shows({ before: '1' });
  await write('live', '2');
  await api.patchNamespacedConfigMap({
    namespace,
    name: 'before',
    body: [{ op: 'replace', path: '/data/value', value: '3' }],
  });
  await shows({ before: '3', live: '2' });

  await cluster.killServer();
  await cluster.startServer();
  await api.deleteNamespacedConfigMap({ namespace, name: 'live' });
  await write('after', '4');
  await shows({ before: '3', after: '4' });
  const list = await api.listNamespacedConfigMap({ namespace, limit: 1 });
  assert.equal(list.items.length, 1);
  assert.ok(list.metadata?._continue, 'lists come in pages');
});

test('an informer that was away for longer than history is kept starts over and misses nothing', {
  timeout: 120_000,
}, async (t) => {
  const cluster = await Cluster.start(t, { serverFlags: ['--history-seconds', '1'] });
  const relay = await startRelay(t, cluster.apiPort);
  const config = new KubeConfig();
  config.loadFromFile(cluster.kubeconfig);
  const [server] = config.clusters;
  config.clusters = server ? [{ ...server, server: `https://127.0.0.1:${relay.port}` }] : [];
  const api = config.makeApiClient(CoreV1Api);
  const path = '/api/v1/namespaces/default/configmaps';
  await cluster.ok(['create', 'configmap', 'goes']);
  await cluster.ok(['create', 'configmap', 'stays']);

  let connected = 0;
  const informer = makeInformer<V1ConfigMap>(config, path, () =>
    api.listNamespacedConfigMap({ namespace: 'default' }),
  );
  let stopped = false;
  informer.on('connect', () => (connected += 1));
  informer.on('error', () => void (stopped || setTimeout(() => void informer.start(), 100)));
  t.after(async () => {
    stopped = true;
    await informer.stop();
  });
  await informer.start();
  const holding = () =>
    informer
      .list()
      .map(({ metadata }) => metadata?.name)
      .filter((name) => name !== 'kube-root-ca.crt')
      .sort()
      .join();
  assert.equal(holding(), 'goes,stays');
  const { metadata } = await api.listNamespacedConfigMap({ namespace: 'default' });
  const version = metadata?.resourceVersion ?? '';

  relay.cut();
  await cluster.ok(['delete', 'configmap', 'goes']);
  await cluster.ok(['create', 'configmap', 'comes']);
  await until('the version that the informer saw being forgotten', async () => {
    const query = `watch=1&timeoutSeconds=1&resourceVersion=${version}`;
    const { stdout, stderr } = await cluster.kubectl(['get', '--raw', `${path}?${query}`]);
    return /too old resource version|"code":410/.test(stdout + stderr);
  });
  const before = connected;
  relay.open();
  await until('the informer holding what is there', () => holding() === 'comes,stays');
  assert.ok(connected > before, 'it connected anew');
});

/** Stands between a client and the server's port, and can be cut. */
async function startRelay(
  context: { after(task: () => void): void },
  target: number,
): Promise<{ port: number; cut(): void; open(): void }> {
  const sockets = new Set<Socket>();
  let isOpen = true;
  const relay = createServer((client) => {
    client.on('error', () => {});
    if (!isOpen) return void client.destroy();
    const server = connect(target, '127.0.0.1');
    server.on('error', () => client.destroy());
    for (const socket of [client, server]) sockets.add(socket.once('close', () => sockets.delete(socket)));
    client.pipe(server).pipe(client);
  });
  const cut = () => {
    isOpen = false;
    for (const socket of sockets) socket.destroy();
  };
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
  context.after(() => {
    cut();
    relay.close();
  });
  const address = relay.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return { port, cut, open: () => void (isOpen = true) };
}
