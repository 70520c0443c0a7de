import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Cluster } from './support/cluster.ts';
import { busyboxImage, containersMissing } from './support/images.ts';
import { containerDeployment, processDeployment } from './support/manifests.ts';
import { finish, until } from './support/programs.ts';

/**
 * The main job, as a person does it: the real kubectl against one server and one agent that runs containers and
 * processes.
 */
const noContainers = await containersMissing();

describe('the main job with kubectl', { timeout: 300_000 }, () => {
  let cluster: Cluster;
  const ending: (() => Promise<void>)[] = [];

  before(async () => {
    cluster = await Cluster.start({ after: (task) => void ending.push(task) });
    await cluster.addNodes(['one'], { runtime: 'auto', labels: 'site=barn,role=gateway' });
  });
  after(async () => {
    for (const task of ending) await task();
  });

  test('cluster-info, api-resources, version and explain answer as Kubernetes does', async () => {
    assert.match(await cluster.ok(['cluster-info']), /Kubernetes control plane.* is running at.*https:\/\//);
    const resources = await cluster.ok(['api-resources']);
    assert.match(resources, /^pods +po +v1 +true +Pod$/m);
    assert.match(resources, /^deployments +deploy +apps\/v1 +true +Deployment$/m);
    assert.match(await cluster.ok(['version']), /Server Version: v1\.\d+/);
    assert.match(await cluster.ok(['explain', 'deployment.spec.replicas']), /FIELD: replicas <integer>/);
    assert.match(await cluster.ok(['explain', 'pod.spec.containers']), /<\[\]Container>/);
  });

  test('the node tells its capacity, addresses, board and the labels it was given', async () => {
    const node = await cluster.json<NodeObject>(['get', 'node', 'one']);
    assert.ok(Number(node.status.capacity.cpu) >= 1);
    assert.match(node.status.capacity.memory ?? '', /^\d+Ki$/);
    assert.ok(Number.parseInt(node.status.allocatable.memory ?? '', 10) > 0);
    assert.equal(node.metadata.labels.site, 'barn');
    assert.equal(node.metadata.labels['kubernetes.io/hostname'], 'one');
    assert.equal(node.metadata.labels['kubernetes.io/os'], 'linux');
    assert.ok(['amd64', 'arm64', 'arm'].includes(node.metadata.labels['kubernetes.io/arch'] ?? ''));
    assert.ok(node.status.addresses.some(({ type }) => type === 'InternalIP'));
    const types = node.status.conditions.map(({ type }) => type).sort();
    assert.deepEqual(types, [
      'DataDiskFailing',
      'DiskPressure',
      'LimitsNotEnforced',
      'MemoryPressure',
      'PIDPressure',
      'Ready',
      'RuntimeReady',
    ]);
    assert.match(
      await cluster.ok(['get', 'nodes', '-o', 'wide']),
      /^NAME +STATUS +ROLES +AGE +VERSION +INTERNAL-IP/,
    );
    assert.match(await cluster.ok(['describe', 'node', 'one']), /Allocatable:/);
  });

  test('a Deployment of three containers runs, rolls out and scales', { skip: noContainers }, async () => {
    await cluster.apply(containerDeployment('web', busyboxImage, { replicas: 3 }));
    assert.match(
      await cluster.ok(['rollout', 'status', 'deployment/web', '--timeout=90s']),
      /successfully rolled out/,
    );
    const pods = await cluster.readyPods('web', 3);
    const engine = await finish('podman', ['ps', '-q', '--no-trunc']);
    for (const pod of pods) {
      const id = pod.containerId?.replace(/^podman:\/\//, '') ?? '';
      assert.ok(engine.stdout.includes(id), `podman runs ${pod.containerId}`);
      assert.match(pod.podIp ?? '', /^\d+\.\d+\.\d+\.\d+$/);
    }
    assert.equal(new Set(pods.map((pod) => pod.podIp)).size, 3, 'every pod has its own address');
    await cluster.ok(['scale', 'deployment/web', '--replicas=1']);
    await cluster.readyPods('web', 1);
    await until('two containers gone', async () => {
      const list = await finish('podman', ['ps', '-q', '--no-trunc']);
      return (
        pods.filter((pod) => list.stdout.includes(pod.containerId?.replace(/^podman:\/\//, '') ?? '?'))
          .length === 1
      );
    });
    await cluster.ok(['delete', 'deployment', 'web']);
    await until('its pods gone', async () => (await cluster.pods('web')).length === 0);
  });

  test('a Deployment of a process runs, and kubectl shows its log and runs commands in it', async () => {
    await cluster.apply(processDeployment('proc'));
    const [pod] = await cluster.readyPods('proc', 1);
    assert.ok(pod);
    await until('a line of log', async () => /tick 1/.test(await cluster.ok(['logs', pod.name])));
    const follow = cluster.background(['logs', '-f', '--tail=1', pod.name]);
    await follow.saying(/tick \d+\ntick \d+/);
    await follow.kill('SIGTERM');
    assert.equal((await cluster.ok(['exec', pod.name, '--', 'sh', '-c', 'echo $((6*7))'])).trim(), '42');
    const failing = await cluster.kubectl(['exec', pod.name, '--', 'sh', '-c', 'echo oops >&2; exit 7']);
    assert.equal(failing.code, 7);
    assert.match(failing.stderr, /oops/);
    const piped = await cluster.ok(['exec', '-i', pod.name, '--', 'cat'], { input: 'x'.repeat(300_000) });
    assert.equal(piped.length, 300_000);
    await cluster.ok(['delete', 'deployment', 'proc']);
  });

  test('exec -it gives a terminal of the right size, in processes and in containers', {
    skip: noContainers,
  }, async () => {
    await cluster.apply(processDeployment('term-p'));
    await cluster.apply(containerDeployment('term-c', busyboxImage));
    for (const app of ['term-p', 'term-c']) {
      const [pod] = await cluster.readyPods(app, 1);
      const command = `stty rows 33 cols 99; kubectl exec -it ${pod?.name} -- sh -c 'tty; sleep 1; stty size'`;
      const { stdout } = await finish('script', ['-qfec', command, '/dev/null'], {
        env: cluster.environment,
      });
      assert.match(stdout, /\/dev\//, `${app} has a terminal: ${stdout}`);
      assert.match(stdout, /33 99/, `${app} has the size of ours: ${stdout}`);
    }
    await cluster.ok(['delete', 'deployment', 'term-p', 'term-c']);
  });

  test('logs of a crashed container are there with --previous, and it is restarted with back-off', async () => {
    await cluster.apply(processDeployment('crash', { script: 'echo "life $PPID"; exit 3' }));
    const pod = await until('a second start', async () => {
      const [first] = await cluster.pods('crash');
      return first && first.restarts >= 1 ? first : undefined;
    });
    assert.match(await cluster.ok(['logs', '--previous', pod.name]), /^life \d+$/m);
    await until('CrashLoopBackOff', async () =>
      /CrashLoopBackOff/.test(await cluster.ok(['get', 'pods', '-l', 'app=crash'])),
    );
    const refused = await cluster.kubectl(['exec', pod.name, '--', 'true']);
    assert.match(refused.stderr, /container main of pod \S+ is not running \(CrashLoopBackOff\)/);
    const described = await cluster.ok(['describe', 'pod', pod.name]);
    assert.match(described, /Exit Code: +3/);
    assert.match(described, /Scheduled/);
    await cluster.ok(['delete', 'deployment', 'crash']);
  });

  test('get -w shows a pod from birth to end', async () => {
    const watch = cluster.background(['get', 'pods', '-w', '-l', 'app=seen']);
    await cluster.apply(processDeployment('seen'));
    await cluster.readyPods('seen', 1);
    await watch.saying(/1\/1 +Running/);
    await cluster.ok(['delete', 'deployment', 'seen']);
    await watch.saying(/Terminating/);
    await watch.kill('SIGTERM');
  });

  test('a changed template rolls over, a bad one stops, and undo brings the good one back', async () => {
    await cluster.apply(
      processDeployment('roll', {
        replicas: 2,
        script: 'trap "exit 0" TERM; while :; do sleep 1 & wait $!; done',
      }),
    );
    await cluster.readyPods('roll', 2);
    const before = (await cluster.pods('roll')).map((pod) => pod.uid);
    await cluster.apply(processDeployment('roll', { replicas: 2 }));
    assert.match(
      await cluster.ok(['rollout', 'status', 'deployment/roll', '--timeout=60s']),
      /successfully rolled out/,
    );
    const next = await cluster.readyPods('roll', 2);
    assert.ok(next.every((pod) => !before.includes(pod.uid)));
    assert.match(await cluster.ok(['rollout', 'history', 'deployment/roll']), /^2 /m);
    await cluster.apply(processDeployment('roll', { replicas: 2, extra: 'nodeSelector: {no: where}' }));
    const stuck = await cluster.kubectl(['rollout', 'status', 'deployment/roll', '--timeout=3s']);
    assert.notEqual(stuck.code, 0, 'a template that fits nowhere does not roll out');
    assert.deepEqual(
      (await cluster.readyPods('roll', 2)).map((pod) => pod.uid).sort(),
      next.map((pod) => pod.uid).sort(),
      'and costs no pod that works',
    );
    await cluster.ok(['rollout', 'undo', 'deployment/roll']);
    await cluster.ok(['rollout', 'status', 'deployment/roll', '--timeout=60s']);
    await cluster.ok(['delete', 'deployment', 'roll']);
  });

  test('deleting a pod brings another, deleting the Deployment leaves nothing', async () => {
    await cluster.apply(processDeployment('phoenix'));
    const [first] = await cluster.readyPods('phoenix', 1);
    await cluster.ok(['delete', 'pod', first?.name ?? '']);
    const [second] = await cluster.readyPods('phoenix', 1);
    assert.notEqual(second?.uid, first?.uid);
    await cluster.ok(['delete', 'deployment', 'phoenix']);
    await until(
      'nothing left',
      async () => (await cluster.ok(['get', 'replicasets,pods', '-l', 'app=phoenix', '-o', 'name'])) === '',
    );
  });

  test('a ConfigMap and a Secret reach the environment of a pod that names them', async () => {
    await cluster.ok(['create', 'configmap', 'settings', '--from-literal=COLOUR=green']);
    await cluster.ok(['create', 'secret', 'generic', 'keys', '--from-literal=PASSWORD=s3cret']);
    await cluster.apply(
      processDeployment('env', { script: 'echo "$COLOUR $PASSWORD $ME"; exec sleep 1000' }).replace(
        '        resources:',
        [
          '        envFrom: [{configMapRef: {name: settings}}]',
          '        env:',
          '        - {name: PASSWORD, valueFrom: {secretKeyRef: {name: keys, key: PASSWORD}}}',
          '        - {name: ME, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}',
          '        resources:',
        ].join('\n'),
      ),
    );
    const [pod] = await cluster.readyPods('env', 1);
    await until('the line', async () =>
      /^green s3cret default$/m.test(await cluster.ok(['logs', pod?.name ?? ''])),
    );
    await cluster.ok(['delete', 'deployment', 'env']);
  });

  test('deleting a namespace takes what is in it', async () => {
    await cluster.ok(['create', 'namespace', 'temp']);
    await cluster.ok(['apply', '-n', 'temp', '-f', '-'], { input: processDeployment('inside') });
    await until('its pod runs', async () => /Running/.test(await cluster.ok(['get', 'pods', '-n', 'temp'])));
    await cluster.ok(['delete', 'namespace', 'temp', '--timeout=60s'], { timeoutMs: 70_000 });
    assert.equal((await cluster.kubectl(['get', 'namespace', 'temp'])).code, 1);
  });

  test('a misspelt field gets the error of Kubernetes', async () => {
    const wrong = processDeployment('typo').replace('  replicas:', '  replicaz:');
    const { code, stderr } = await cluster.kubectl(['apply', '-f', '-'], { input: wrong });
    assert.equal(code, 1);
    assert.match(stderr, /strict decoding error: unknown field "spec\.replicaz"/);
  });
});

interface NodeObject {
  metadata: { labels: Record<string, string> };
  status: {
    capacity: Record<string, string>;
    allocatable: Record<string, string>;
    addresses: { type: string }[];
    conditions: { type: string }[];
  };
}
