import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Cluster } from './support/cluster.ts';
import { freePort, Running, root, until } from './support/programs.ts';
import { openHttpsAuthority } from './support/test-authority.ts';

/** Autoscalers that follow what other servers measure: the real server, kubectl and agent, and a server of metrics. */
describe('an autoscaler with metrics of other servers', { timeout: 150_000 }, () => {
  const ending: (() => Promise<void>)[] = [];
  let cluster: Cluster;
  let metrics: Running;
  let figuresFile: string;
  const figures = (values: object) => writeFile(figuresFile, JSON.stringify(values));

  before(async () => {
    cluster = await Cluster.start({ after: (task) => void ending.push(task) });
    figuresFile = join(cluster.directory, 'figures.json');
    await figures({});
    const authority = await openHttpsAuthority(cluster.directory);
    const port = await freePort();
    const serving = await authority.serve('figures', ['figures.default.svc']);
    const trust = await cluster.json<{ data: Record<string, string> }>(
      'get configmap extension-apiserver-authentication -n kube-system'.split(' '),
    );
    const frontProxyFile = join(cluster.directory, 'front-proxy.crt');
    await writeFile(frontProxyFile, trust.data['requestheader-client-ca-file'] ?? '');
    metrics = new Running(process.execPath, [
      join(root, 'test/e2e/support/metrics-api.ts'),
      String(port),
      serving.keyFile,
      serving.certificateFile,
      frontProxyFile,
      figuresFile,
    ]);
    ending.push(async () => void (await metrics.kill('SIGKILL')));
    await metrics.saying(/listening/);
    await cluster.ok(['create', 'service', 'externalname', 'figures', '--external-name=localhost']);
    for (const group of ['custom.metrics.k8s.io', 'external.metrics.k8s.io'])
      await cluster.apply(
        JSON.stringify({
          apiVersion: 'apiregistration.k8s.io/v1',
          kind: 'APIService',
          metadata: { name: `v1beta1.${group}` },
          spec: {
            group,
            version: 'v1beta1',
            groupPriorityMinimum: 100,
            versionPriority: 100,
            caBundle: authority.caBundle,
            service: { name: 'figures', namespace: 'default', port },
          },
        }),
      );
    await cluster.ok(['wait', '--for=condition=Available', 'apiservice', '--all', '--timeout=30s']);
    await cluster.addNodes(['worker']);
  });
  after(async () => {
    for (const end of ending.reverse()) await end();
  });

  /** A Deployment of one replica, and an autoscaler that looks at one metric. */
  const scaled = (name: string, metric: object) => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}}
spec:
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}}
    spec:
      runtimeClassName: process
      terminationGracePeriodSeconds: 0
      containers: [{name: main, image: host, command: [sleep, "1000"]}]
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: ${name}}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: ${name}}
  maxReplicas: 3
  metrics: [${JSON.stringify(metric)}]
`;
  const inDefault = 'namespaces/default';

  test('scales by metrics of its pods, of an object and of the world outside', async () => {
    await cluster.apply(
      scaled('outside', {
        type: 'External',
        external: {
          metric: { name: 'queue', selector: { matchLabels: { shop: 'barn' } } },
          target: { type: 'AverageValue', averageValue: '10' },
        },
      }),
    );
    await cluster.apply(
      scaled('object', {
        type: 'Object',
        object: {
          metric: { name: 'hits' },
          describedObject: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'object' },
          target: { type: 'Value', value: '500m' },
        },
      }),
    );
    await cluster.apply(
      scaled('pods', {
        type: 'Pods',
        pods: { metric: { name: 'orders' }, target: { type: 'AverageValue', averageValue: '5' } },
      }),
    );
    const [pod] = await cluster.readyPods('pods', 1);
    await until(
      'a missing metric shows in the condition',
      async () =>
        /FailedGetExternalMetric .*unable to get external metric default\/queue: unable to fetch metrics from external metrics API: no such metric here/.test(
          await cluster.ok(['describe', 'hpa', 'outside']),
        ),
      { timeoutMs: 40_000 },
    );
    await figures({
      [`${inDefault}/queue?labelSelector=shop=barn`]: { values: { left: '12', right: '11500m' } },
      [`${inDefault}/deployments.apps/object/hits`]: { kind: 'Deployment', values: { object: '1500m' } },
      [`${inDefault}/pods/*/orders?labelSelector=app=pods`]: {
        kind: 'Pod',
        values: { [pod?.name ?? '']: '11' },
      },
    });
    for (const app of ['outside', 'object', 'pods']) await cluster.readyPods(app, 3);
    const events = await cluster.ok(['get', 'events', '-o', 'jsonpath={.items[*].message}']);
    assert.match(events, /New size: 3; reason: external metric queue above target/);
    assert.match(events, /New size: 3; reason: Deployment metric hits above target/);
    assert.match(events, /New size: 3; reason: pods metric orders above target/);
    assert.match(
      await cluster.ok(['get', 'hpa', 'outside']),
      /Deployment\/outside +\d+m?\/10 \(avg\) +1 +3 /,
    );
  });

  test('keeps its size, and says why, when the server of metrics is gone', async () => {
    await metrics.kill('SIGKILL');
    await until(
      'the autoscaler says so',
      async () =>
        /ScalingActive +False +FailedGetPodsMetric/.test(await cluster.ok(['describe', 'hpa', 'pods'])),
      { timeoutMs: 40_000 },
    );
    await cluster.readyPods('pods', 3);
  });
});
