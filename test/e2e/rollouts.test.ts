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

  test('a StatefulSet starts in order, is updated from the top, taken back, and scaled down from the top', async () => {
    await cluster.apply(workload('StatefulSet', 'db', ['replicas: 3', 'serviceName: db']));
    assert.match(
      await rolledOut('sts/db'),
      /statefulset rolling update complete 3 pods|partitioned roll out complete/,
    );
    const started = await cluster.readyPods('db', 3);
    const inOrder = started.toSorted((a, b) => (a.startedAt ?? '').localeCompare(b.startedAt ?? ''));
    assert.deepEqual(
      inOrder.map(({ name }) => name),
      ['db-0', 'db-1', 'db-2'],
    );
    const events = await cluster.ok(['get', 'events', '--field-selector=reason=SuccessfulCreate']);
    assert.match(events, /create Pod db-2 in StatefulSet db successful/);
    await setVersion('sts/db', '2');
    await rolledOut('sts/db');
    await until('all are of version 2', async () => (await versions('db')).join() === '2,2,2');
    assert.match(await cluster.ok(['rollout', 'history', 'sts/db']), /\n1 +<none>\n2 +<none>/);
    await cluster.ok(['rollout', 'undo', 'sts/db']);
    await until('all are of version 1', async () => (await versions('db')).join() === '1,1,1');
    await cluster.ok(['rollout', 'restart', 'sts/db']);
    await rolledOut('sts/db');
    await cluster.ok(['scale', 'sts/db', '--replicas=1']);
    const [left] = await cluster.readyPods('db', 1);
    assert.equal(left?.name, 'db-0');
    await until('the set counts one', async () =>
      /^db +1\/1 /.test(await cluster.ok(['get', 'sts', 'db', '--no-headers'])),
    );
    await cluster.ok(['delete', 'sts', 'db']);
    await until('its pods are gone', async () => (await cluster.pods('db')).length === 0);
  });

  test('a Deployment is paused, resumed, restarted and taken back', async () => {
    await cluster.apply(workload('Deployment', 'web', ['replicas: 2']));
    await rolledOut('deploy/web');
    await cluster.ok(['rollout', 'pause', 'deploy/web']);
    await setVersion('deploy/web', '2');
    await until('it says so', async () =>
      /DeploymentPaused/.test(await cluster.ok(['describe', 'deploy', 'web'])),
    );
    assert.deepEqual(await versions('web'), ['1', '1']);
    await cluster.ok(['rollout', 'resume', 'deploy/web']);
    await rolledOut('deploy/web');
    await until('all are of version 2', async () => (await versions('web')).join() === '2,2');
    await cluster.ok(['rollout', 'restart', 'deploy/web']);
    await rolledOut('deploy/web');
    await cluster.ok(['rollout', 'undo', 'deploy/web', '--to-revision=1']);
    await rolledOut('deploy/web');
    await until('all are of version 1', async () => (await versions('web')).join() === '1,1');
    assert.match(await cluster.ok(['rollout', 'history', 'deploy/web']), /\n2 +<none>\n3 +<none>\n4 +<none>/);
    await cluster.ok(['delete', 'deploy', 'web']);
  });

  test('a drain takes one pod after the other, as far as the disruption budget allows', async () => {
    await cluster.apply(workload('Deployment', 'shop', ['replicas: 2']));
    await rolledOut('deploy/shop');
    await cluster.ok(['create', 'pdb', 'shop', '--selector=app=shop', '--min-available=1']);
    await until('one may go', async () => /shop +1 +N\/A +1 /.test(await cluster.ok(['get', 'pdb'])));
    await cluster.ok(['cordon', 'a', 'b', 'c']);
    const drain = ['drain', 'a', 'b', 'c', '--ignore-daemonsets', '--timeout=3s'];
    const held = await cluster.kubectl(drain);
    assert.notEqual(held.code, 0);
    assert.match(held.stderr, /Cannot evict pod as it would violate the pod's disruption budget/);
    assert.equal(
      (await cluster.readyPods('shop', 1)).length,
      1,
      'one stays, for its successor has nowhere to go',
    );
    await cluster.ok(['uncordon', 'c']);
    await cluster.readyPods('shop', 2);
    await cluster.ok(['drain', 'a', 'b', '--ignore-daemonsets', '--timeout=60s']);
    const left = await cluster.readyPods('shop', 2);
    assert.deepEqual(
      left.map(({ node }) => node),
      ['c', 'c'],
    );
    await cluster.ok(['delete', 'pdb,deploy', 'shop']);
  });
});
