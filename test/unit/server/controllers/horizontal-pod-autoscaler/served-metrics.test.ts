import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fixedKinds } from '../../../../../protocol/kinds/kind-set.ts';
import { kinds } from '../../../../../protocol/kinds/registry.ts';
import {
  createServedMetrics,
  type MetricsServers,
} from '../../../../../server/controllers/horizontal-pod-autoscaler/served-metrics.ts';

function metricsOf(
  answer: (path: string) => { status: number; body: unknown },
  versions: readonly string[] = ['v1beta2', 'v1beta1'],
) {
  const asked: string[] = [];
  const servers: MetricsServers = {
    versions: () => versions,
    read(path) {
      asked.push(path);
      return Promise.resolve(answer(path));
    },
  };
  return { asked, metrics: createServedMetrics(servers, fixedKinds(kinds)) };
}

const items = (...list: object[]) => ({ status: 200, body: { items: list } });
const place = { namespace: 'shop', labelSelector: 'app=a,tier in (x,y)', metric: { name: 'hits' } };
const ingress = { kind: 'Ingress', apiVersion: 'networking.k8s.io/v1', name: 'door' };

describe('metrics of other servers', () => {
  test('are asked for where Kubernetes has them, in the version that their server prefers', async () => {
    const { asked, metrics } = metricsOf(() => items({ value: '1' }));
    const selector = { matchLabels: { code: '5xx' } };
    await metrics.ofPods({ ...place, metric: { name: 'hits', selector } });
    await metrics.ofObject({ ...place, ...ingress });
    await metrics.ofObject({ ...place, kind: 'Node', apiVersion: 'v1', name: 'barn' });
    await metrics.ofObject({ ...place, kind: 'Namespace', apiVersion: 'v1', name: 'shop' });
    assert.deepEqual(asked.map(decodeURIComponent), [
      '/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/hits?labelSelector=app=a,tier+in+(x,y)&metricLabelSelector=code=5xx',
      '/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/ingresses.networking.k8s.io/door/hits',
      '/apis/custom.metrics.k8s.io/v1beta2/nodes/barn/hits',
      '/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/metrics/hits',
    ]);
    const older = metricsOf(() => items({ value: '1' }), ['v1beta1']);
    await older.metrics.external({ namespace: 'shop', metric: { name: '../queue', selector } });
    assert.deepEqual(older.asked, [
      '/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/..%2Fqueue?labelSelector=code%3D5xx',
    ]);
  });

  test('are quantities of pods by name with their window, or values in thousandths', async () => {
    const timestamp = '2026-01-01T00:00:00Z';
    const { metrics } = metricsOf(() =>
      items(
        { describedObject: { name: 'a' }, timestamp, windowSeconds: 30, value: '1500m' },
        { describedObject: { name: 'b' }, timestamp, value: '2k' },
      ),
    );
    const timestampMs = Date.parse(timestamp);
    assert.deepEqual(
      [...(await metrics.ofPods(place))],
      [
        ['a', { value: 1500, timestampMs, windowMs: 30_000 }],
        ['b', { value: 2_000_000, timestampMs, windowMs: 60_000 }],
      ],
    );
    assert.equal(await metrics.ofObject({ ...place, ...ingress }), 1500);
    const selected = { namespace: 'shop', metric: { name: 'queue' } };
    const external = metricsOf(() => items({ value: '1' }, { value: '500m' }), ['v1beta1']);
    assert.deepEqual(await external.metrics.external(selected), [1000, 500]);
  });

  test('that are not to be had are told in words', async () => {
    const told = (metrics: ReturnType<typeof metricsOf>['metrics']) =>
      metrics.ofPods(place).then(
        () => 'no failure',
        (error: Error) => error.message,
      );
    const unable = 'unable to fetch metrics from custom metrics API';
    assert.equal(
      await told(metricsOf(() => items(), []).metrics),
      `${unable}: no custom metrics API (custom.metrics.k8s.io) registered`,
    );
    const missing = { status: 404, body: { message: 'no such metric' } };
    assert.equal(await told(metricsOf(() => missing).metrics), `${unable}: no such metric`);
    const dumb = { status: 500, body: undefined };
    assert.equal(await told(metricsOf(() => dumb).metrics), `${unable}: the server answered 500`);
    assert.equal(await told(metricsOf(() => items()).metrics), 'no metrics returned from custom metrics API');
    const silent = metricsOf(() => items({ describedObject: { name: 'a' } }));
    assert.equal(await told(silent.metrics), 'the metrics API gave no value');
    await assert.rejects(
      silent.metrics.ofObject({ ...place, kind: 'Nothing', apiVersion: 'v1', name: 'x' }),
      /no matches for kind "Nothing" in version "v1"/,
    );
  });
});
