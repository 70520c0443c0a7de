import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { Cluster } from './support/cluster.ts';
import { keepAlive } from './support/manifests.ts';
import { until } from './support/programs.ts';

/** A workload whose pods are processes that run until they are told to end; `lines` stand in its spec. */
function workload(kind: string, name: string, lines: readonly string[] = []): string {
  return [
    'apiVersion: apps/v1',
    `kind: ${kind}`,
    `metadata: {name: ${name}}`,
    'spec:',
    `  selector: {matchLabels: {app: ${name}}}`,
    ...lines.map((line) => `  ${line}`),
    '  template:',
    `    metadata: {labels: {app: ${name}}}`,
    '    spec:',
    '      runtimeClassName: process',
    '      terminationGracePeriodSeconds: 3',
    '      containers:',
    '      - name: main',
    '        image: host',
    '        imagePullPolicy: Never',
    `        command: ["/bin/sh", "-c", ${JSON.stringify(keepAlive)}]`,
    '        env: [{name: VERSION, value: "1"}]',
    '',
  ].join('\n');
}

suite('rollouts, with kubectl', { timeout: 200_000 }, () => {
  let cluster: Cluster;

  before(async () => {
    cluster = await Cluster.start({ after: () => undefined });
    await cluster.addNodes(['a', 'b', 'c']);
  });
  after(() => cluster.stop());

  const rolledOut = (what: string) => cluster.ok(['rollout', 'status', what, '--timeout=60s']);
  const setVersion = (what: string, version: string) =>
    cluster.ok(['set', 'env', what, `VERSION=${version}`]);
  const versions = async (app: string) =>
    (
      await cluster.ok([
        'get',
        'pods',
        '-l',
        `app=${app}`,
        '-o',
        'jsonpath={.items[*].spec.containers[0].env[0].value}',
      ])
    )
      .split(' ')
      .sort();

  test('a DaemonSet runs on every node, is updated, restarted and taken back', async () => {
    await cluster.apply(
      workload('DaemonSet', 'agent', ['updateStrategy: {rollingUpdate: {maxUnavailable: 2}}']),
    );
    assert.match(await rolledOut('ds/agent'), /daemon set "agent" successfully rolled out/);
    const pods = await cluster.readyPods('agent', 3);
    assert.deepEqual(pods.map(({ node }) => node).sort(), ['a', 'b', 'c']);
    await setVersion('ds/agent', '2');
    await rolledOut('ds/agent');
    assert.deepEqual(await versions('agent'), ['2', '2', '2']);
    const history = await cluster.ok(['rollout', 'history', 'ds/agent']);
    assert.match(history, /\n1 +<none>\n2 +<none>/);
    assert.match(await cluster.ok(['rollout', 'undo', 'ds/agent']), /daemonset.apps\/agent rolled back/);
    await rolledOut('ds/agent');
    assert.deepEqual(await versions('agent'), ['1', '1', '1']);
    assert.match(await cluster.ok(['rollout', 'history', 'ds/agent']), /\n2 +<none>\n3 +<none>/);
    await cluster.ok(['rollout', 'restart', 'ds/agent']);
    await rolledOut('ds/agent');
    const shown = await cluster.ok(['get', 'ds', 'agent', '--no-headers']);
    assert.match(shown, /^agent +3 +3 +3 +3 +3 +<none>/);
    await cluster.ok(['delete', 'ds', 'agent']);
    await until('its pods are gone', async () => (await cluster.pods('agent')).length === 0);
  });
});
