import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Cluster } from './support/cluster.ts';
import { busyboxImage, containersMissing } from './support/images.ts';
import { until } from './support/programs.ts';

/** Data that outlives pods, and rights that pods ask for, with the real kubectl. */
const noContainers = await containersMissing();
const runtime = noContainers === undefined ? 'oci' : 'process';
const image = noContainers === undefined ? busyboxImage : 'host';

describe('claims and rights', { timeout: 300_000 }, () => {
  let cluster: Cluster;
  const ending: (() => Promise<void>)[] = [];
  before(async () => {
    cluster = await Cluster.start({ after: (task) => void ending.push(task) });
    await cluster.addNodes(['one'], { runtime: 'auto' });
  });
  after(async () => {
    for (const task of ending) await task();
  });

  const run = (pod: string, script: string) => cluster.ok(['exec', pod, '--', 'sh', '-c', script]);
  const ready = async (pod: string) => {
    const { code } = await cluster.kubectl(['wait', '--for=condition=Ready', `pod/${pod}`, '--timeout=40s']);
    if (code !== 0) throw new Error(await cluster.ok(['describe', 'pod,pvc,pv']));
  };
  const phase = async (what: string) => cluster.ok(['get', what, '-o', 'jsonpath={.status.phase}']);
  const at = () => (runtime === 'oci' ? '' : join(cluster.directory, 'mounts'));

  test('a claim of the default class waits for its pod, and its data outlives pods and agents until it is deleted', async () => {
    assert.match(
      await cluster.ok(['get', 'storageclass']),
      /local-path \(default\)\s+local-path\.flotilla\.dev\s+Delete\s+WaitForFirstConsumer/,
    );
    await cluster.apply(claim('data', '1Gi'));
    await until('the reason', async () =>
      /waiting for first consumer/.test(await cluster.ok(['describe', 'pvc', 'data'])),
    );
    await cluster.apply(pod('writer', 'data', at()));
    await ready('writer');
    assert.equal(await phase('pvc/data'), 'Bound');
    const volume = await cluster.ok(['get', 'pvc', 'data', '-o', 'jsonpath={.spec.volumeName}']);
    assert.match(
      await cluster.ok(['get', 'pv', volume]),
      /1Gi\s+RWO\s+Delete\s+Bound\s+default\/data\s+local-path/,
    );
    await run('writer', `echo precious > ${at()}/data/file`);

    await cluster.ok(['delete', 'pvc', 'data', '--wait=false']);
    assert.match(await cluster.ok(['get', 'pvc', 'data']), /Terminating/, 'a claim in use stays');
    await cluster.ok(['delete', 'pod', 'writer', '--grace-period=1', '--timeout=40s']);
    await cluster.ok(['wait', '--for=delete', 'pvc/data', '--timeout=40s']);
    await cluster.ok(['wait', '--for=delete', `pv/${volume}`, '--timeout=40s']);
    assert.ok(!existsSync(join(cluster.directory, 'one/local-volumes', volume)), 'the folder is gone');

    await cluster.apply(claim('kept', '1Gi'));
    await cluster.apply(pod('first', 'kept', at()));
    await ready('first');
    await run('first', `echo precious > ${at()}/data/file`);
    await cluster.ok(['delete', 'pod', 'first', '--grace-period=1', '--timeout=40s']);
    await cluster.agents.get('one')?.kill('SIGKILL');
    await cluster.apply(pod('second', 'kept', at()));
    await cluster.startAgent('one', { runtime: 'auto' });
    await ready('second');
    assert.equal(await run('second', `cat ${at()}/data/file`), 'precious\n');
    const folders = await readdir(join(cluster.directory, 'one/local-volumes'));
    assert.equal(folders.length, 1);
  });

  test('volumes that somebody made are bound by size, class, mode and selector, kept or released by their policy', async () => {
    const folder = join(cluster.directory, 'shared');
    await mkdir(folder);
    await cluster.apply(volume('large', '10Gi', `hostPath: {path: ${folder}}`));
    await cluster.apply(
      volume(
        'fits',
        '2Gi',
        `local: {path: ${folder}}\n  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [one]}]}]}}`,
      ),
    );
    await until('volumes are there', async () => (await phase('pv/fits')) === 'Available');
    await cluster.apply(claim('manual', '1Gi', 'storageClassName: manual'));
    await until('bound', async () => (await phase('pvc/manual')) === 'Bound');
    assert.equal(await cluster.ok(['get', 'pvc', 'manual', '-o', 'jsonpath={.spec.volumeName}']), 'fits');
    await cluster.apply(pod('uses', 'manual', at()));
    await ready('uses');
    await run('uses', `echo here > ${at()}/data/made`);
    assert.equal(await readFile(join(folder, 'made'), 'utf8'), 'here\n');
    await cluster.ok(['delete', 'pod', 'uses', '--grace-period=1', '--timeout=40s']);
    await cluster.ok(['delete', 'pvc', 'manual', '--timeout=40s']);
    await until('released', async () => (await phase('pv/fits')) === 'Released');
    assert.ok(existsSync(join(folder, 'made')), 'Retain keeps the data');
    await cluster.apply(claim('huge', '1Ti', 'storageClassName: ""'));
    await until('why not', async () =>
      /no persistent volumes available for this claim and no storage class is set/.test(
        await cluster.ok(['describe', 'pvc', 'huge']),
      ),
    );
    await cluster.ok(['delete', 'pv', 'large', '--timeout=40s']);
  });

  test('an ephemeral volume has a claim of its own that goes with the pod', async () => {
    await cluster.apply(pod('scratch', undefined, at()));
    await ready('scratch');
    assert.equal(await phase('pvc/scratch-data'), 'Bound');
    await cluster.ok(['delete', 'pod', 'scratch', '--grace-period=1', '--timeout=40s']);
    await cluster.ok(['wait', '--for=delete', 'pvc/scratch-data', '--timeout=40s']);
  });

  test('a pod has the user, groups and capabilities that it asks for, and its group owns its volumes', async () => {
    await cluster.apply(claim('owned', '1Gi'));
    const security =
      'securityContext: {runAsUser: 4711, runAsGroup: 4712, fsGroup: 4713, runAsNonRoot: true}';
    await cluster.apply(pod('careful', 'owned', at(), security));
    await ready('careful');
    assert.match(await run('careful', 'id'), /uid=4711.*gid=4712.*4713/);
    await run('careful', `echo mine > ${at()}/data/file`);
    assert.match(await run('careful', `ls -ln ${at()}/data/file`), /4711\s+4713/);
    assert.match(await run('careful', 'grep NoNewPrivs /proc/self/status'), /1/);
    assert.match(await run('careful', 'grep CapBnd /proc/self/status'), /0{16}/);
    const denied = await cluster.kubectl(['exec', 'careful', '--', 'sh', '-c', 'echo x > /etc/refused']);
    assert.match(denied.stderr, /Read-only file system|Permission denied/);
  });

  test('root is refused to a pod that must not be root, in the words of a kubelet', async () => {
    await cluster.apply(pod('rooted', 'owned', at(), 'securityContext: {runAsNonRoot: true}'));
    await until('the refusal', async () => {
      const { stdout } = await cluster.kubectl([
        'get',
        'pod',
        'rooted',
        '-o',
        'jsonpath={.status.containerStatuses[0].state.waiting}',
      ]);
      return (
        /CreateContainerConfigError/.test(stdout) &&
        /container has runAsNonRoot and image will run as root \(pod: \\"rooted_default/.test(stdout)
      );
    });
  });
});

function claim(name: string, size: string, more = ''): string {
  return `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: ${name}}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: ${size}}}
  ${more}
`;
}

function volume(name: string, size: string, source: string): string {
  return `
apiVersion: v1
kind: PersistentVolume
metadata: {name: ${name}}
spec:
  accessModes: [ReadWriteOnce]
  capacity: {storage: ${size}}
  storageClassName: manual
  ${source}
`;
}

function pod(name: string, claimName: string | undefined, at: string, security = ''): string {
  const source =
    claimName === undefined
      ? 'ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}}}'
      : `persistentVolumeClaim: {claimName: ${claimName}}`;
  return `
apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec:
  runtimeClassName: ${runtime}
  terminationGracePeriodSeconds: 1
  ${security}
  containers:
  - name: main
    image: ${image}
    imagePullPolicy: Never
    command: ["sh", "-c", "trap 'exit 0' TERM; while true; do sleep 1 & wait $!; done"]
    ${security === '' ? '' : 'securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}'}
    volumeMounts:
    - {name: data, mountPath: ${at}/data}
  volumes:
  - name: data
    ${source}
`;
}
