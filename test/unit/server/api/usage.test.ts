import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Pod } from '../../../../protocol/generated/models.ts';
import { nodeKind } from '../../../../protocol/kinds/node.ts';
import { podKind } from '../../../../protocol/kinds/pod.ts';
import type { NodeUsage } from '../../../../server/nodes/fleet-usage.ts';
import { type ApiFixture, type Json, openApi } from './api-fixture.ts';

const root = '/apis/metrics.k8s.io/v1beta1';

describe('metrics.k8s.io', () => {
  let api: ApiFixture;
  const fleet = new Map<string, NodeUsage>();
  const asked: Map<string, readonly string[]>[] = [];

  before(async () => {
    const usage = {
      read: async (wanted: ReadonlyMap<string, readonly string[]>) => {
        asked.push(new Map(wanted));
        return new Map([...fleet].filter(([node]) => wanted.has(node)));
      },
    };
    api = await openApi({ usage, defaultRoles: true });
    const { registry } = api;
    for (const name of ['near', 'far']) await registry.create(nodeKind, { metadata: { name } });
    const uids = new Map<string, string>();
    for (const [name, nodeName] of [
      ['one', 'near'],
      ['two', 'near'],
      ['lost', 'far'],
    ] as const) {
      const pod = await registry.create(podKind, pods(name, nodeName));
      uids.set(name, pod.metadata?.uid ?? '');
      if (name === 'two') continue;
      const at = { namespace: 'default', name };
      await registry.mutate(podKind, at, (draft: Pod) => (draft.status = { phase: 'Running' }), {
        subresource: 'status',
      });
    }
    const figures = { cpuNanocores: 250_000_000, memoryBytes: 3 * 1024 * 1024 };
    fleet.set('near', {
      measuredAtMs: Date.UTC(2026, 4, 1),
      windowMs: 15_002,
      node: figures,
      pods: new Map([[uids.get('one') ?? '', new Map([['main', figures]])]]),
    });
  });
  after(() => api[Symbol.asyncDispose]());

  const get = async (path: string, options: object = {}): Promise<Json> =>
    (await api.send('GET', root + path, options)).json();

  test('nodes that answer are listed with time and window; who does not is left out', async () => {
    const { kind, items } = await get('/nodes');
    assert.equal(kind, 'NodeMetricsList');
    assert.deepEqual(
      items.map(({ metadata, timestamp, window, usage }: Json) => ({
        name: metadata.name,
        timestamp,
        window,
        usage,
      })),
      [
        {
          name: 'near',
          timestamp: '2026-05-01T00:00:00Z',
          window: '15.002s',
          usage: { cpu: '250000000n', memory: '3072Ki' },
        },
      ],
    );
  });

  test('pods that run and were measured are listed, with their labels, by selector', async () => {
    asked.length = 0;
    const { items } = await get('/namespaces/default/pods?labelSelector=app%3Done');
    assert.equal(items.length, 1);
    assert.deepEqual(items[0].metadata.labels, { app: 'one' });
    assert.deepEqual(items[0].containers, [{ name: 'main', usage: { cpu: '250000000n', memory: '3072Ki' } }]);
    assert.deepEqual([...(asked[0]?.keys() ?? [])], ['near']);
    assert.equal((await get('/pods')).items.length, 1);
    assert.equal((await get('/namespaces/kube-system/pods')).items.length, 0);
  });

  test('one is read by its name; without a figure it is not found', async () => {
    assert.equal((await get('/namespaces/default/pods/one')).kind, 'PodMetrics');
    assert.equal((await get('/nodes/near')).kind, 'NodeMetrics');
    for (const [path, message] of [
      ['/namespaces/default/pods/lost', 'podmetrics.metrics.k8s.io "default/lost" not found'],
      ['/namespaces/default/pods/none', 'podmetrics.metrics.k8s.io "default/none" not found'],
      ['/nodes/far', 'nodemetrics.metrics.k8s.io "far" not found'],
    ] as const) {
      const answer = await get(path);
      assert.deepEqual([answer.code, answer.message], [404, message]);
    }
  });

  test('as a table', async () => {
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
    const { rows } = await get('/nodes', { headers: { accept } });
    assert.deepEqual(rows[0].cells, ['near', '250000000n', '3072Ki', '15.002s']);
  });

  test('nothing is written', async () => {
    const answer = await api.send('POST', `${root}/nodes`, { body: { metadata: { name: 'x' } } });
    assert.equal(answer.code, 405);
  });
});

function pods(name: string, nodeName: string): Pod {
  return {
    metadata: { name, namespace: 'default', labels: { app: name } },
    spec: { nodeName, containers: [{ name: 'main', image: 'x' }] },
  };
}
