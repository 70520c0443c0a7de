import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { kubectlIsMissing } from './kubectl-fixture.ts';
import { Cluster } from './support/cluster.ts';
import { processDeployment } from './support/manifests.ts';
import { until } from './support/programs.ts';

/** What the server adds to objects and what it will not have, as people meet it with kubectl. */
describe('admission', { skip: await kubectlIsMissing() }, () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await Cluster.start({ after: () => undefined });
  });
  after(() => cluster.stop());

  const inTeam = async (namespace: string, ...args: string[]) => cluster.kubectl(['-n', namespace, ...args]);
  const refusal = async (namespace: string, ...args: string[]) => {
    const { code, stderr } = await inTeam(namespace, ...args);
    assert.notEqual(code, 0);
    return stderr;
  };
  const applyIn = (namespace: string, input: string) =>
    cluster.ok(['-n', namespace, 'apply', '-f', '-'], { input });
  const run = ['run', 'one', '--image=host', '--restart=Never'];
  const podOf = async (namespace: string, name: string) =>
    JSON.parse(await cluster.ok(['-n', namespace, 'get', 'pod', name, '-o', 'json']));

  test('a quota refuses what is too much, and a ReplicaSet says why it has too few', async () => {
    await cluster.ok(['create', 'namespace', 'small']);
    await cluster.ok(['-n', 'small', 'create', 'quota', 'q', '--hard=pods=2,configmaps=2']);
    await until('the quota is counted', async () =>
      /configmaps\s+1\s+2/.test(await cluster.ok(['-n', 'small', 'describe', 'quota', 'q'])),
    );
    await cluster.ok(['-n', 'small', 'create', 'configmap', 'a']);
    assert.equal(
      await refusal('small', 'create', 'configmap', 'b'),
      'error: failed to create configmap: configmaps "b" is forbidden: exceeded quota: q, requested: configmaps=1, used: configmaps=2, limited: configmaps=2\n',
    );
    await applyIn('small', processDeployment('web', { replicas: 3 }));
    await until('the ReplicaSet says so', async () =>
      /FailedCreate.*Error creating: pods "web-\w+-\w+" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2/.test(
        await cluster.ok(['-n', 'small', 'get', 'events']),
      ),
    );
    assert.match(await cluster.ok(['-n', 'small', 'get', 'quota', 'q']), /configmaps: 2\/2, pods: 2\/2/);
    assert.match(await refusal('small', ...run), /exceeded quota: q, requested: pods=1/);
  });

  test('a limit range fills in and refuses', async () => {
    await cluster.ok(['create', 'namespace', 'fair']);
    await applyIn(
      'fair',
      [
        'apiVersion: v1',
        'kind: LimitRange',
        'metadata: {name: l}',
        'spec:',
        '  limits:',
        '  - {type: Container, default: {memory: 32Mi}, defaultRequest: {cpu: 10m}, max: {memory: 64Mi}}',
      ].join('\n'),
    );
    await cluster.ok(['-n', 'fair', ...run]);
    const pod = await podOf('fair', 'one');
    assert.deepEqual(pod.spec.containers[0].resources, {
      limits: { memory: '32Mi' },
      requests: { cpu: '10m', memory: '32Mi' },
    });
    const tooMuch =
      '{"spec":{"containers":[{"name":"two","image":"host","resources":{"limits":{"memory":"1Gi"}}}]}}';
    assert.match(
      await refusal('fair', 'run', 'two', '--image=host', `--overrides=${tooMuch}`),
      /pods "two" is forbidden: maximum memory usage per Container is 64Mi, but limit is 1Gi/,
    );
  });

  test('a restricted namespace takes no plain pod, and warns of a Deployment of them', async () => {
    await cluster.ok(['create', 'namespace', 'strict']);
    const labels = ['enforce', 'warn'].map((mode) => `pod-security.kubernetes.io/${mode}=restricted`);
    await cluster.ok(['label', 'namespace', 'strict', ...labels]);
    assert.match(
      await refusal('strict', ...run),
      /pods "one" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false \(container "one" must set/,
    );
    const { code, stderr } = await inTeam('strict', 'create', 'deployment', 'web', '--image=host');
    assert.equal(code, 0);
    assert.match(stderr, /^Warning: would violate PodSecurity "restricted:latest": /);
  });

  test('a priority class gives its value', async () => {
    await cluster.ok(['create', 'priorityclass', 'high', '--value=1000', '--preemption-policy=Never']);
    const high = '{"spec":{"priorityClassName":"high"}}';
    await cluster.ok([...run, `--overrides=${high}`]);
    const { spec } = await podOf('default', 'one');
    assert.deepEqual([spec.priority, spec.preemptionPolicy], [1000, 'Never']);
    assert.match(
      await refusal(
        'default',
        'run',
        'two',
        '--image=host',
        '--overrides={"spec":{"priorityClassName":"none"}}',
      ),
      /pods "two" is forbidden: no PriorityClass with name none was found/,
    );
    assert.match(await cluster.ok(['get', 'priorityclass']), /system-node-critical\s+2000001000/);
  });

  test('a pod runs as an account that exists, and finds its token', async () => {
    assert.match(
      await refusal(
        'default',
        'run',
        'bot',
        '--image=host',
        '--overrides={"spec":{"serviceAccountName":"bot"}}',
      ),
      /pods "bot" is forbidden: error looking up service account default\/bot: serviceaccount "bot" not found/,
    );
    await cluster.ok(['create', 'serviceaccount', 'bot']);
    await cluster.addNodes(['board']);
    const folder = '/var/run/secrets/kubernetes.io/serviceaccount';
    const script = `cat ${folder}/namespace; grep -c CERTIFICATE ${folder}/ca.crt; wc -w < ${folder}/token; exec sleep 1000`;
    await cluster.apply(processDeployment('bot', { script, extra: 'serviceAccountName: bot' }));
    await cluster.ok(['rollout', 'status', 'deployment/bot', '--timeout=30s']);
    await until('the container has read them', async () =>
      (await cluster.ok(['logs', 'deployment/bot'])).startsWith('default2\n1\n'),
    );
  });
});
