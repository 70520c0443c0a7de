import assert from 'node:assert/strict';
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
