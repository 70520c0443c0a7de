import assert from 'node:assert/strict';
import { realpathSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Cluster } from './support/cluster.ts';
import { busyboxImage, containersMissing } from './support/images.ts';
import { finish, Running, root, until } from './support/programs.ts';

/** What a pod's spec asks for, on real containers. */
const skip = await containersMissing();
const reachable = Object.values(networkInterfaces())
  .flatMap((known) => known ?? [])
  .some(({ internal, family }) => !internal && family === 'IPv4');

interface PodStatus {
  phase: string;
  conditions?: { type: string; status: string }[];
  containerStatuses?: { name: string; restartCount: number; ready: boolean }[];
  initContainerStatuses?: { name: string; restartCount: number }[];
}

/** Slow machines are not wrong. */
const patience = { timeoutMs: 120_000 };
const eventually: typeof until = (what, question, options) =>
  until(what, question, { ...patience, ...options });

describe('a pod’s spec on containers', { skip: skip ?? false, timeout: 900_000 }, () => {
  let cluster: Cluster;
  const ending: (() => Promise<void>)[] = [];
  before(async () => {
    // Containers do not reach the loopback of their device.
    cluster = await Cluster.start({ after: (task) => void ending.push(task) }, { bind: '0.0.0.0' });
    await cluster.addNodes(['spec'], {
      runtime: 'oci',
      flags: ['--allowed-unsafe-sysctls', 'net.core.*,kernel.msgmax'],
    });
  });
  after(async () => {
    for (const task of ending) await task();
  });

  const apply = (name: string, spec: Record<string, unknown>) =>
    cluster.apply(
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name },
        spec: { terminationGracePeriodSeconds: 1, ...spec },
      }),
    );
  const main = (script: string, more: Record<string, unknown> = {}) => ({
    name: 'main',
    image: busyboxImage,
    imagePullPolicy: 'Never',
    command: ['sh', '-c', script],
    ...more,
  });
  const ready = async (name: string) => {
    const waited = await cluster.kubectl(
      ['wait', '--for=condition=Ready', `pod/${name}`, '--timeout=110s'],
      patience,
    );
    if (waited.code !== 0) throw new Error(await cluster.ok(['describe', 'pod', name]));
  };
  const run = (name: string, script: string) => cluster.ok(['exec', name, '--', 'sh', '-c', script]);
  const status = async (name: string) =>
    (await cluster.json<{ status: PodStatus }>(['get', 'pod', name])).status;
  const ended = (name: string) =>
    eventually(`${name} has ended`, async () => /Succeeded|Failed/.test((await status(name)).phase), {
      describe: () => cluster.ok(['describe', 'pod', name]),
    });

  test('a container finds the services of its namespace in its environment, unless it wants none', async () => {
    await cluster.ok(['create', 'service', 'clusterip', 'tea-shop', '--tcp=8080:80']);
    const { clusterIP } = (
      await cluster.json<{ spec: { clusterIP: string } }>(['get', 'service', 'tea-shop'])
    ).spec;
    await apply('linked', { containers: [main('exec sleep 1000', { args: ['$(TEA_SHOP_SERVICE_HOST)'] })] });
    await apply('unlinked', { enableServiceLinks: false, containers: [main('exec sleep 1000')] });
    await ready('linked');
    await ready('unlinked');
    const environment = await run('linked', 'env');
    assert.match(environment, new RegExp(`^TEA_SHOP_SERVICE_HOST=${clusterIP}$`, 'm'));
    assert.match(environment, /^TEA_SHOP_SERVICE_PORT__8080_80=8080$/m);
    assert.match(environment, new RegExp(`^TEA_SHOP_PORT=tcp://${clusterIP}:8080$`, 'm'));
    assert.match(environment, new RegExp(`^TEA_SHOP_PORT_8080_TCP_ADDR=${clusterIP}$`, 'm'));
    const without = await run('unlinked', 'env');
    assert.doesNotMatch(without, /TEA_SHOP/);
    assert.match(without, /^KUBERNETES_SERVICE_HOST=/m);
  });

  test('a client library in a container reaches the API with the token of its pod', {
    skip: reachable ? false : 'this machine has no address but loopback',
  }, async () => {
    await cluster.ok([
      'create',
      'rolebinding',
      'reads',
      '--clusterrole=view',
      '--serviceaccount=default:default',
    ]);
    // The programs of this machine, where the image has none.
    const paths = ['/usr', '/lib', '/lib64', root, realpathSync(join(root, 'node_modules'))];
    const program = [
      `const { KubeConfig, CoreV1Api } = await import('${join(realpathSync(join(root, 'node_modules')), '@kubernetes/client-node/dist/index.js')}');`,
      'const config = new KubeConfig(); config.loadFromCluster();',
      'const { items } = await config.makeApiClient(CoreV1Api).listNamespacedPod({ namespace: "default" });',
      'console.log("pods:", items.map(({ metadata }) => metadata.name).sort().join(" "));',
    ].join('\n');
    await apply('client', {
      restartPolicy: 'Never',
      automountServiceAccountToken: true,
      containers: [
        main('', {
          command: [process.execPath, '--input-type=module', '-e', program],
          volumeMounts: paths.map((path, index) => ({ name: `v${index}`, mountPath: path, readOnly: true })),
        }),
      ],
      volumes: paths.map((path, index) => ({ name: `v${index}`, hostPath: { path } })),
    });
    await ended('client');
    assert.match(await cluster.ok(['logs', 'client']), /^pods: client linked unlinked$/m);
  });

  test('a variable comes from a file that an init container has made', async () => {
    const file = (key: string, optional = false) => ({
      valueFrom: { fileKeyRef: { volumeName: 'made', path: 'made.env', key, optional } },
    });
    await apply('files', {
      restartPolicy: 'Never',
      initContainers: [
        {
          ...main('echo "NAME = from a file" > /made/made.env'),
          name: 'maker',
          volumeMounts: [{ name: 'made', mountPath: '/made' }],
        },
      ],
      containers: [
        main('echo "[$NAME] [$TWICE] [${NONE-unset}]"', {
          env: [
            { name: 'NAME', ...file('NAME') },
            { name: 'TWICE', value: '$(NAME)!' },
            { name: 'NONE', ...file('NONE', true) },
          ],
        }),
      ],
      volumes: [{ name: 'made', emptyDir: {} }],
    });
    await ended('files');
    assert.equal(await cluster.ok(['logs', 'files']), '[from a file] [from a file!] [unset]\n');
  });

  test('a container is called what hostnameOverride says, and what is mounted below a mount can be read only', async () => {
    await apply('odd', {
      hostnameOverride: 'db.example.com',
      containers: [
        main('exec sleep 1000', {
          volumeMounts: [{ name: 'outer', mountPath: '/m', readOnly: true, recursiveReadOnly: 'Enabled' }],
        }),
      ],
      volumes: [{ name: 'outer', hostPath: { path: '/dev' } }],
    });
    await ready('odd');
    assert.equal((await run('odd', 'hostname')).trim(), 'db.example.com');
    const written = await cluster.kubectl(['exec', 'odd', '--', 'touch', '/m/shm/x']);
    assert.match(written.stderr, /Read-only file system/);
    const [mount] = (
      await cluster.json<{
        status: { containerStatuses: { volumeMounts?: { recursiveReadOnly: string }[] }[] };
      }>(['get', 'pod', 'odd'])
    ).status.containerStatuses.flatMap(({ volumeMounts = [] }) => volumeMounts);
    assert.equal(mount?.recursiveReadOnly, 'Enabled');
  });

  test('a volume is the files of an image, to be read only', async () => {
    await apply('artifact', {
      containers: [main('exec sleep 1000', { volumeMounts: [{ name: 'files', mountPath: '/artifact' }] })],
      volumes: [{ name: 'files', image: { reference: busyboxImage, pullPolicy: 'Never' } }],
    });
    await ready('artifact');
    assert.match(await run('artifact', 'ls /artifact/bin'), /busybox/);
    const written = await cluster.kubectl(['exec', 'artifact', '--', 'touch', '/artifact/x']);
    assert.match(written.stderr, /Read-only file system/);
    await apply('absent', {
      containers: [main('exec sleep 1000', { volumeMounts: [{ name: 'files', mountPath: '/artifact' }] })],
      volumes: [{ name: 'files', image: { reference: 'localhost/nowhere:1', pullPolicy: 'Never' } }],
    });
    const waits = [
      'get',
      'pod',
      'absent',
      '-o',
      'jsonpath={.status.containerStatuses[0].state.waiting.reason}',
    ];
    await eventually('the reason', async () => (await cluster.ok(waits)) === 'ErrImageNeverPull');
  });

  test('a container gets a local volume as the block device that it is', async (t) => {
    const file = join(cluster.directory, 'block.img');
    await finish('truncate', ['-s', '4M', file]);
    const attached = await finish('losetup', ['--find', '--show', file]);
    if (attached.code !== 0) return t.skip(`this kernel gives no loop device: ${attached.stderr}`);
    const device = attached.stdout.trim();
    ending.unshift(async () => void (await finish('losetup', ['--detach', device])));
    const on = { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['spec'] }] };
    const common = { storageClassName: 'raw', volumeMode: 'Block', accessModes: ['ReadWriteOnce'] };
    for (const object of [
      {
        kind: 'PersistentVolume',
        metadata: { name: 'disk' },
        spec: {
          ...common,
          capacity: { storage: '4Mi' },
          local: { path: device },
          nodeAffinity: { required: { nodeSelectorTerms: [on] } },
        },
      },
      {
        kind: 'PersistentVolumeClaim',
        metadata: { name: 'disk' },
        spec: { ...common, resources: { requests: { storage: '1Mi' } } },
      },
    ])
      await cluster.apply(JSON.stringify({ apiVersion: 'v1', ...object }));
    await apply('raw', {
      containers: [main('exec sleep 1000', { volumeDevices: [{ name: 'disk', devicePath: '/dev/xvda' }] })],
      volumes: [{ name: 'disk', persistentVolumeClaim: { claimName: 'disk' } }],
    });
    await ready('raw');
    await run('raw', 'test -b /dev/xvda && echo written > /dev/xvda');
    await cluster.ok(['delete', 'pod', 'raw', '--grace-period=1', '--timeout=110s'], patience);
    assert.equal((await finish('head', ['-c', '8', device])).stdout, 'written\n');
  });

  test('a limit of the whole pod holds for its containers, and can be changed while they run', async () => {
    await apply('whole', {
      resources: { limits: { memory: '64Mi' } },
      containers: [main('exec sleep 1000')],
    });
    await ready('whole');
    const file =
      'cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max';
    assert.equal((await run('whole', file)).trim(), String(64 * 2 ** 20));
    const patch = JSON.stringify({
      spec: { resources: { limits: { memory: '96Mi' }, requests: { memory: '64Mi' } } },
    });
    await cluster.ok(['patch', 'pod', 'whole', '--subresource', 'resize', '--patch', patch]);
    await eventually(
      'the new limit',
      async () => (await run('whole', file)).trim() === String(96 * 2 ** 20),
      {
        describe: () => cluster.ok(['get', 'pod', 'whole', '-o', 'yaml']),
      },
    );
    assert.equal((await status('whole')).containerStatuses?.[0]?.restartCount, 0);
  });

  test('kernel parameters that are not safe are set where the node allows them', async () => {
    const sysctls = [
      { name: 'net.core.somaxconn', value: '99' },
      { name: 'kernel.msgmax', value: '4096' },
    ];
    await apply('tuned', { securityContext: { sysctls }, containers: [main('exec sleep 1000')] });
    await ready('tuned');
    assert.equal(
      await run('tuned', 'cat /proc/sys/net/core/somaxconn /proc/sys/kernel/msgmax'),
      '99\n4096\n',
    );
    const other = [{ name: 'kernel.sem', value: '1 1 1 1' }];
    await apply('wild', { securityContext: { sysctls: other }, containers: [main('exec sleep 1000')] });
    await eventually('the refusal', async () =>
      /forbidden sysctl: "kernel\.sem" not allowlisted/.test(await cluster.ok(['describe', 'pod', 'wild'])),
    );
  });

  test('the groups that an image has its user in count, unless the policy is strict', async () => {
    const image = 'localhost/flotilla-test-groups:1';
    const lines = 'echo me:x:1000:1000::/:/bin/sh >> /etc/passwd; echo extra:x:50:me >> /etc/group';
    const made = `podman run --name flotilla-groups --network none ${busyboxImage} sh -c '${lines}' && podman commit -q flotilla-groups ${image}; podman rm -f flotilla-groups`;
    ending.push(async () => void (await finish('podman', ['rmi', '--force', image])));
    assert.equal((await finish('sh', ['-c', made])).code, 0);
    const asks = { runAsUser: 1000, supplementalGroups: [7] };
    const strict = { ...asks, runAsGroup: 1000, supplementalGroupsPolicy: 'Strict' };
    await apply('merged', { securityContext: asks, containers: [main('exec sleep 1000', { image })] });
    await apply('strict', { securityContext: strict, containers: [main('exec sleep 1000', { image })] });
    await ready('merged');
    await ready('strict');
    const groups = async (name: string) => (await run(name, 'id -G')).trim().split(' ').sort();
    assert.deepEqual(await groups('merged'), ['1000', '50', '7']);
    assert.deepEqual(await groups('strict'), ['1000', '7']);
  });

  test('a container can end so that all of its pod begins anew, in the same sandbox', async () => {
    await apply('again', {
      restartPolicy: 'Never',
      initContainers: [
        {
          ...main('echo x >> /shared/inits'),
          name: 'first',
          volumeMounts: [{ name: 's', mountPath: '/shared' }],
        },
      ],
      containers: [
        main('exec sleep 1000'),
        {
          ...main('n=$(wc -l < /shared/inits); test "$n" -gt 1 && exec sleep 1000; sleep 1; exit 42'),
          name: 'watch',
          restartPolicy: 'Never',
          restartPolicyRules: [
            { action: 'RestartAllContainers', exitCodes: { operator: 'In', values: [42] } },
          ],
          volumeMounts: [{ name: 's', mountPath: '/shared' }],
        },
      ],
      volumes: [{ name: 's', emptyDir: {} }],
    });
    const counts = async () => {
      const { containerStatuses = [], initContainerStatuses = [], conditions = [] } = await status('again');
      const ok = containerStatuses.every((one) => one.ready && one.restartCount === 1);
      const condition = conditions.find(({ type }) => type === 'AllContainersRestarting');
      return ok && initContainerStatuses[0]?.restartCount === 1 && condition?.status === 'False';
    };
    await eventually('all have been restarted once', counts, {
      describe: () => cluster.ok(['describe', 'pod', 'again']),
    });
    const pauses = await finish('podman', ['ps', '--all', '--format', '{{.Names}}']);
    const { uid } = (await cluster.json<{ metadata: { uid: string } }>(['get', 'pod', 'again'])).metadata;
    assert.equal(pauses.stdout.split('\n').filter((name) => name === `flotilla.${uid}`).length, 1);
  });

  test('a container’s input stays open from one attach to the next, and ends with the first where stdinOnce says so', async () => {
    const echo = 'while read line; do echo "got $line"; done; echo over; exec sleep 1000';
    for (const [name, stdinOnce] of [
      ['many', false],
      ['once', true],
    ] as const) {
      await apply(name, { containers: [main(echo, { stdin: true, stdinOnce })] });
      await ready(name);
    }
    const say = async (name: string, word: string) => {
      const attached = new Running('kubectl', ['attach', '-i', name], cluster.environment);
      await eventually(
        `an echo of ${word}`,
        () => {
          attached.child.stdin?.write(`${word}\n`);
          return attached.output.includes(`got ${word}`);
        },
        { pollMs: 300, describe: () => attached.output },
      );
      attached.child.stdin?.end();
      await attached.kill('SIGTERM');
    };
    await say('many', 'one');
    await say('many', 'two');
    await say('once', 'one');
    await eventually('the end of the input', async () => /over/.test(await cluster.ok(['logs', 'once'])));
    assert.doesNotMatch(await cluster.ok(['logs', 'many']), /over/);
  });
});
