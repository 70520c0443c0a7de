import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { Cluster } from './support/cluster.ts';
import { keepAlive } from './support/manifests.ts';
import { until } from './support/programs.ts';

interface Policy {
  status: {
    phase: string;
    rollouts: {
      phase: string;
      reason: string;
      batch?: string;
      healthy: number;
      pending: number;
      failed: number;
      waiting: number;
      locked: number;
    }[];
  };
}

function policy(lines: readonly string[]): string {
  return [
    'apiVersion: fleet.flotilla.dev/v1alpha1',
    'kind: RolloutPolicy',
    'metadata: {name: careful}',
    'spec:',
    '  batches: [{name: canary, selector: {matchLabels: {site: lab}}}]',
    '  healthySeconds: 2',
    '  progressDeadlineSeconds: 8',
    '  onFailure: Rollback',
    ...lines.map((line) => `  ${line}`),
    '',
  ].join('\n');
}

const lockable = keepAlive.replace('trap', 'touch /run-lock/update.lock; trap');

function daemonSet(): string {
  return [
    'apiVersion: apps/v1',
    'kind: DaemonSet',
    'metadata:',
    '  name: agent',
    '  annotations: {fleet.flotilla.dev/rollout-policy: careful}',
    'spec:',
    '  selector: {matchLabels: {app: agent}}',
    '  updateStrategy: {rollingUpdate: {maxUnavailable: 3}}',
    '  template:',
    '    metadata: {labels: {app: agent}}',
    '    spec:',
    '      runtimeClassName: process',
    '      terminationGracePeriodSeconds: 3',
    '      containers:',
    '      - name: main',
    '        image: host',
    '        imagePullPolicy: Never',
    `        command: ["/bin/sh", "-c", ${JSON.stringify(`[ "$VERSION" != bad ] || exit 1; ${keepAlive}`)}]`,
    '        env: [{name: VERSION, value: "1"}]',
    '',
  ].join('\n');
}

suite('a fleet rollout, with kubectl', { timeout: 200_000 }, () => {
  let cluster: Cluster;

  before(async () => {
    cluster = await Cluster.start({ after: () => undefined });
    await cluster.addNodes(['lab'], { labels: 'site=lab' });
    await cluster.addNodes(['a', 'b'], { labels: 'site=field' });
    await cluster.apply(policy([]));
    await cluster.apply(daemonSet());
    await untilPhase('Complete');
  });
  after(() => cluster.stop());

  const rollout = async () => (await cluster.json<Policy>(['get', 'rop', 'careful'])).status?.rollouts?.[0];
  const story = async () => JSON.stringify(await rollout());
  const untilPhase = (phase: string) =>
    until(`the rollout is ${phase}`, async () => (await rollout())?.phase === phase, { describe: story });
  const setVersion = (version: string) => cluster.ok(['set', 'env', 'ds/agent', `VERSION=${version}`]);
  const versions = async () => {
    const path = '{range .items[*]}{.spec.nodeName}:{.spec.containers[0].env[0].value}{"\\n"}{end}';
    const out = await cluster.ok(['get', 'pods', '-l', 'app=agent', '-o', `jsonpath=${path}`]);
    return out.trim().split('\n').sort().join(' ');
  };
  const untilVersions = (wanted: string) =>
    until(wanted, async () => (await versions()) === wanted, { describe: story });

  test('is explained, listed and described by kubectl', async () => {
    assert.match(await cluster.ok(['explain', 'rolloutpolicy.spec.batches']), /Groups of devices/);
    const table = await cluster.ok(['get', 'rop']);
    assert.match(table, /^NAME +PHASE +BATCH +DEVICES +WAITING +UPDATING +HEALTHY +FAILED +PENDING +AGE/);
    assert.match(table, /careful +Complete +<none> +3 +0 +0 +3 +0 +0 /);
  });

  test('of a bad version stops at the canary and rolls back', async () => {
    await setVersion('bad');
    await untilPhase('RolledBack');
    await untilVersions('a:1 b:1 lab:1');
    const described = await cluster.ok(['describe', 'rop', 'careful']);
    assert.match(described, /RolloutRollingBack/);
    assert.match(described, /Phase: +RolledBack/);
    assert.match(await cluster.ok(['describe', 'ds', 'agent']), /RolloutRolledBack/);
    await cluster.ok(['rollout', 'status', 'ds/agent', '--timeout=30s']);
    const bad = await cluster.ok(['get', 'events', '--field-selector=reason=SuccessfulCreate', '-o', 'name']);
    assert.ok(bad.length > 0);
  });

  test('leaves an offline device pending, and brings it to the newest when it is back', async () => {
    await cluster.agents.get('b')?.kill('SIGKILL');
    await cluster.waitForNode('b', 'Unknown');
    await setVersion('2');
    await untilVersions('a:2 b:1 lab:2');
    await untilPhase('Complete');
    const seen = await rollout();
    assert.deepEqual([seen?.healthy, seen?.pending, seen?.failed], [2, 1, 0]);
    await setVersion('3');
    await untilVersions('a:3 b:1 lab:3');
    await cluster.startAgent('b', { labels: 'site=field' });
    await untilVersions('a:3 b:3 lab:3');
    await untilPhase('Complete');
  });

  test('waits for its window', async () => {
    const month = ((new Date().getUTCMonth() + 6) % 12) + 1;
    const closed = `windows: [{schedule: "0 3 1 ${month} *", durationSeconds: 3600, timeZone: Europe/Berlin}]`;
    await cluster.apply(policy([closed]));
    await setVersion('4');
    await until('it waits', async () => (await rollout())?.reason === 'WindowClosed', { describe: story });
    const status = await cluster.kubectl(['rollout', 'status', 'ds/agent', '--timeout=2s']);
    assert.notEqual(status.code, 0);
    assert.equal(await versions(), 'a:3 b:3 lab:3');
    await cluster.apply(policy(['windows: [{schedule: "* * * * *", durationSeconds: 3600}]']));
    await untilVersions('a:4 b:4 lab:4');
    await untilPhase('Complete');
  });

  test('leaves a pod alone whose app holds its lock', async () => {
    const patch = {
      spec: {
        template: {
          metadata: { annotations: { 'fleet.flotilla.dev/update-lock': 'run/update.lock' } },
          spec: {
            volumes: [{ name: 'run', emptyDir: {} }],
            containers: [
              {
                name: 'main',
                volumeMounts: [{ name: 'run', mountPath: '/run-lock' }],
                command: ['/bin/sh', '-c', lockable],
              },
            ],
          },
        },
      },
    };
    await cluster.ok(['patch', 'ds', 'agent', '-p', JSON.stringify(patch)]);
    await untilPhase('Complete');
    await cluster.readyPods('agent', 3);
    const path = 'jsonpath={.items[*].status.conditions[?(@.type=="fleet.flotilla.dev/UpdateLock")].status}';
    const locks = () => cluster.ok(['get', 'pods', '-l', 'app=agent', '-o', path]);
    await until('all are locked', async () => (await locks()) === 'True True True');
    await setVersion('5');
    await until('the canary is locked', async () => (await rollout())?.reason === 'Locked', {
      describe: story,
    });
    assert.equal(await versions(), 'a:4 b:4 lab:4');
    await cluster.apply(policy(['lockMaxAgeSeconds: 0']));
    await untilVersions('a:5 b:5 lab:5');
  });
});
