import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Cluster } from './support/cluster.ts';
import { busyboxImage, containersMissing } from './support/images.ts';
import { finish, until } from './support/programs.ts';

/** Volumes as the author of a manifest expects them, on real containers and on host processes. */
const noContainers = await containersMissing();
const runtimes = [
  ...(noContainers === undefined ? [{ runtime: 'oci', image: busyboxImage }] : []),
  ...(process.getuid?.() === 0 ? [{ runtime: 'process', image: 'host' }] : []),
];

describe('volumes', { timeout: 300_000 }, () => {
  let cluster: Cluster;
  const ending: (() => Promise<void>)[] = [];
  before(async () => {
    cluster = await Cluster.start({ after: (task) => void ending.push(task) });
    await cluster.addNodes(['one'], { runtime: 'auto' });
    await cluster.apply(configuration);
  });
  after(async () => {
    for (const task of ending) await task();
  });

  const run = (pod: string, script: string) => cluster.ok(['exec', pod, '--', 'sh', '-c', script]);
  const ready = async (pod: string) => {
    const { code } = await cluster.kubectl(['wait', '--for=condition=Ready', `pod/${pod}`, '--timeout=30s']);
    if (code !== 0) throw new Error(await cluster.ok(['describe', 'pod', pod]));
  };

  for (const { runtime, image } of runtimes) {
    const root = (pod: string) => (runtime === 'oci' ? '' : join(cluster.directory, 'mounts', pod));

    test(`${runtime}: files of objects, with their modes and paths, all changing at once`, async () => {
      const name = `content-${runtime}`;
      await cluster.apply(contentPod(name, { runtime, image, root: root(name) }));
      await ready(name);
      const at = root(name);
      assert.equal(await run(name, `cat ${at}/config/greeting`), 'hello');
      assert.match(await run(name, `ls -lL ${at}/config`), /-rwxr-xr-x.*\brun\.sh/);
      assert.equal((await run(name, `${at}/config/run.sh`)).trim(), 'it ran');
      assert.equal(await run(name, `cat ${at}/all/secret/password`), 's3cret');
      assert.match(await run(name, `ls -lL ${at}/all/secret`), /-r--------/);
      assert.equal(await run(name, `cat ${at}/all/labels`), 'app="demo"\ntier="edge"');
      assert.equal(await run(name, `cat ${at}/all/name`), name);
      assert.equal(await run(name, `cat ${at}/all/memory`), '64');
      assert.equal(await run(name, `cat ${at}/one/file`), 'hello');
      assert.equal((await run(name, `ls ${at}/maybe | wc -l`)).trim(), '0');
      const denied = await cluster.kubectl([
        'exec',
        name,
        '--',
        'sh',
        '-c',
        `echo x > ${at}/config/greeting`,
      ]);
      assert.match(denied.stderr, /Read-only file system/);

      // Live update, seen whole, through the same link that programs watch.
      const linkBefore = await run(name, `readlink ${at}/config/..data || ls -l ${at}/config/..data`);
      await cluster.ok(['label', 'pod', name, 'tier=core', '--overwrite']);
      await cluster.ok([
        'patch',
        'configmap',
        `settings-${runtime}`,
        '-p',
        '{"data":{"greeting":"bye","more":"new"}}',
      ]);
      await until('the new files', async () => (await run(name, `cat ${at}/config/greeting`)) === 'bye');
      assert.equal(await run(name, `cat ${at}/config/more`), 'new');
      assert.notEqual(
        await run(name, `readlink ${at}/config/..data || ls -l ${at}/config/..data`),
        linkBefore,
      );
      await until('the new label', async () => /tier="core"/.test(await run(name, `cat ${at}/all/labels`)));
      assert.equal(
        await run(name, `cat ${at}/one/file`),
        'hello',
        'a subPath stays as it was, as in Kubernetes',
      );
    });

    test(`${runtime}: scratch space that lives as long as the pod, on disk and in memory`, async () => {
      const name = `scratch-${runtime}`;
      await cluster.apply(scratchPod(name, { runtime, image, root: root(name) }));
      await ready(name);
      const at = root(name);
      const both = (container: string, script: string) =>
        cluster.kubectl(['exec', name, '-c', container, '--', 'sh', '-c', script]);
      assert.equal((await both('main', `echo shared > ${at}/disk/x; echo fast > ${at}/memory/y`)).code, 0);
      assert.equal((await both('other', `cat ${at}/disk/x ${at}/memory/y`)).stdout, 'shared\nfast\n');
      assert.match((await both('main', `grep ' ${at}/memory ' /proc/mounts`)).stdout, /tmpfs.*size=1024k/);
      const full = await both('main', `head -c 2000000 /dev/zero > ${at}/memory/big`);
      assert.match(full.stderr, /No space left|I\/O error/);
    });

    test(`${runtime}: a path of the host, checked for what it should be`, async () => {
      const name = `host-${runtime}`;
      const folder = join(cluster.directory, name);
      await mkdir(folder);
      await writeFile(join(folder, 'file'), 'of the host');
      await cluster.apply(hostPod(name, { runtime, image, root: root(name) }, folder));
      await ready(name);
      const at = root(name);
      assert.equal(await run(name, `cat ${at}/data/file`), 'of the host');
      await run(name, `echo back > ${at}/made/answer`);
      assert.equal(await readFile(join(folder, 'new', 'answer'), 'utf8'), 'back\n');
    });
  }

  test('a missing object keeps the pod waiting with kubelet words, and its arrival lets it start', async () => {
    await cluster.apply(waitingPod('waits', runtimes[0] ?? { runtime: 'process', image: 'host' }));
    await until('the event', async () => {
      const text = await cluster.ok(['get', 'events', '--field-selector=reason=FailedMount']);
      return /MountVolume\.SetUp failed for volume "late" : configmap "comes-late" not found/.test(text);
    });
    const pod = await cluster.json<PodJson>(['get', 'pod', 'waits']);
    assert.equal(pod.status.containerStatuses[0]?.state.waiting?.reason, 'ContainerCreating');
    await cluster.ok(['create', 'configmap', 'comes-late', '--from-literal=key=here']);
    await ready('waits');
    assert.equal(await run('waits', 'cat /tmp/flotilla-late/key || cat /late/key'), 'here');
  });

  test('a pod has a token of its account, made for it alone, and the certificate to trust', async () => {
    const { runtime, image } = runtimes[0] ?? { runtime: 'process', image: 'host' };
    await cluster.apply(
      tokenPod('identified', {
        runtime,
        image,
        root: runtime === 'oci' ? '' : join(cluster.directory, 'mounts', 'identified'),
      }),
    );
    await ready('identified');
    const at = runtime === 'oci' ? '' : join(cluster.directory, 'mounts', 'identified');
    const folder = `${at}/var/run/secrets/kubernetes.io/serviceaccount`;
    const token = await run('identified', `cat ${folder}/token`);
    assert.match(await run('identified', `cat ${folder}/ca.crt`), /BEGIN CERTIFICATE/);
    assert.equal(await run('identified', `cat ${folder}/namespace`), 'default');
    const environment = await run('identified', `env`);
    assert.match(environment, new RegExp(`KUBERNETES_SERVICE_PORT=${cluster.apiPort}`));
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    assert.equal(claims['kubernetes.io'].pod.name, 'identified');
    assert.equal(claims['kubernetes.io'].node.name, 'one');
    assert.equal(claims.sub, 'system:serviceaccount:default:default');
    const ca = await finish('sh', [
      '-c',
      `grep certificate-authority-data ${cluster.kubeconfig} | sed 's/.*: //' | base64 -d > ${cluster.directory}/ca.crt`,
    ]);
    assert.equal(ca.code, 0);
    const whoami = await finish(
      'kubectl',
      [
        'auth',
        'whoami',
        '-o',
        'jsonpath={.status.userInfo.username}',
        '--server',
        `https://127.0.0.1:${cluster.apiPort}`,
        '--certificate-authority',
        `${cluster.directory}/ca.crt`,
        '--token',
        token,
      ],
      { env: { ...process.env, KUBECONFIG: '/dev/null' } },
    );
    assert.equal(whoami.stdout, 'system:serviceaccount:default:default', whoami.stderr);
  });

  test('an agent killed around its mounts leaves none behind, and loses nothing of a pod that goes on', async () => {
    const { runtime, image } = runtimes[0] ?? { runtime: 'process', image: 'host' };
    const at = runtime === 'oci' ? '' : join(cluster.directory, 'mounts', 'survivor');
    await cluster.apply(scratchPod('survivor', { runtime, image, root: at }));
    await ready('survivor');
    await run('survivor', `echo kept > ${at}/disk/x; echo kept > ${at}/memory/y`);
    const doomed = await cluster.json<PodJson>(['get', 'pod', `scratch-${runtime}`]);
    await cluster.agents.get('one')?.kill('SIGKILL');
    await cluster.ok(['delete', 'pod', `scratch-${runtime}`, '--wait=false', '--grace-period=1']);
    await cluster.startAgent('one', { runtime: 'auto' });
    await cluster.ok(['wait', '--for=delete', `pod/scratch-${runtime}`, '--timeout=60s']);
    assert.equal(await run('survivor', `cat ${at}/disk/x ${at}/memory/y`), 'kept\nkept\n');
    const mounts = await readFile('/proc/self/mountinfo', 'utf8');
    assert.ok(!mounts.includes(doomed.metadata.uid), 'no mount of the pod that is gone');
    await cluster.ok(['delete', 'pods', '--all', '--grace-period=1', '--timeout=60s']);
    const left = await readFile('/proc/self/mountinfo', 'utf8');
    const { uid } = doomed.metadata;
    assert.ok(!left.includes(uid));
    const files = await finish('sh', ['-c', `ls ${cluster.directory}/one/volumes 2>/dev/null`]);
    assert.equal(files.stdout, '');
  });
});

interface PodJson {
  metadata: { uid: string };
  status: { containerStatuses: { state: { waiting?: { reason: string; message?: string } } }[] };
}

interface On {
  runtime: string;
  image: string;
  root?: string;
}

const configuration = ['oci', 'process']
  .map(
    (runtime) => `
apiVersion: v1
kind: ConfigMap
metadata: {name: settings-${runtime}}
data: {greeting: hello, run.sh: "#!/bin/sh\\necho it ran\\n"}
---`,
  )
  .join('')
  .concat(`
apiVersion: v1
kind: Secret
metadata: {name: key}
stringData: {password: s3cret, other: x}
`);

function podOf(name: string, { runtime, image }: On, spec: string, containers = ['main']): string {
  return `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: demo, tier: edge}}
spec:
  runtimeClassName: ${runtime}
  terminationGracePeriodSeconds: 1
  containers:
${containers
  .map(
    (container) => `  - name: ${container}
    image: ${image}
    imagePullPolicy: Never
    command: ["sh", "-c", "trap 'exit 0' TERM; while true; do sleep 1 & wait $!; done"]
    resources: {limits: {memory: 64Mi}}
    volumeMounts: *mounts`,
  )
  .join('\n')
  .replace('*mounts', `&mounts\n${mountsOf(spec)}`)}
  volumes:
${spec.split('--- volumes\n')[1] ?? ''}`;
}

function mountsOf(spec: string): string {
  return (spec.split('--- volumes\n')[0] ?? '').trimEnd();
}

function contentPod(name: string, on: On): string {
  return podOf(
    name,
    on,
    `    - {name: config, mountPath: ${on.root}/config}
    - {name: all, mountPath: ${on.root}/all, readOnly: true}
    - {name: config, mountPath: ${on.root}/one/file, subPath: greeting}
    - {name: maybe, mountPath: ${on.root}/maybe}
--- volumes
  - name: config
    configMap: {name: settings-${on.runtime}, defaultMode: 0755}
  - name: maybe
    secret: {secretName: nowhere, optional: true}
  - name: all
    projected:
      sources:
      - secret: {name: key, items: [{key: password, path: secret/password, mode: 0400}]}
      - downwardAPI:
          items:
          - {path: labels, fieldRef: {fieldPath: metadata.labels}}
          - {path: name, fieldRef: {fieldPath: metadata.name}}
          - {path: memory, resourceFieldRef: {containerName: main, resource: limits.memory, divisor: 1Mi}}
`,
  );
}

function scratchPod(name: string, on: On): string {
  return podOf(
    name,
    on,
    `    - {name: disk, mountPath: ${on.root}/disk}
    - {name: memory, mountPath: ${on.root}/memory}
--- volumes
  - {name: disk, emptyDir: {}}
  - {name: memory, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
`,
    ['main', 'other'],
  );
}

function hostPod(name: string, on: On, folder: string): string {
  return podOf(
    name,
    on,
    `    - {name: data, mountPath: ${on.root}/data}
    - {name: made, mountPath: ${on.root}/made}
--- volumes
  - {name: data, hostPath: {path: ${folder}, type: Directory}}
  - {name: made, hostPath: {path: ${folder}/new, type: DirectoryOrCreate}}
`,
  );
}

function waitingPod(name: string, on: On): string {
  const at = on.runtime === 'oci' ? '/late' : '/tmp/flotilla-late';
  return podOf(
    name,
    on,
    `    - {name: late, mountPath: ${at}}
--- volumes
  - {name: late, configMap: {name: comes-late}}
`,
  );
}

function tokenPod(name: string, on: On): string {
  return podOf(
    name,
    on,
    `    - {name: access, mountPath: ${on.root}/var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
--- volumes
  - name: access
    projected:
      defaultMode: 420
      sources:
      - serviceAccountToken: {path: token, expirationSeconds: 3607}
      - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
      - downwardAPI: {items: [{path: namespace, fieldRef: {apiVersion: v1, fieldPath: metadata.namespace}}]}
`,
  );
}
