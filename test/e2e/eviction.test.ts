import assert from 'node:assert/strict';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Cluster } from './support/cluster.ts';
import { busyboxImage, containersMissing } from './support/images.ts';
import { finish, until } from './support/programs.ts';

const missing = await containersMissing();

function pod(name: string, script: string, more: { image?: string; resources?: string } = {}): string {
  const runtime = more.image === undefined ? 'process' : 'oci';
  return `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: ${name}}}
spec:
  runtimeClassName: ${runtime}
  terminationGracePeriodSeconds: 0
  restartPolicy: Never
  containers:
  - name: main
    image: ${more.image ?? 'host'}
    imagePullPolicy: Never
    command: [sh, -c, '${script}']
    resources: ${more.resources ?? '{}'}
---`;
}

interface PodStatus {
  status: {
    phase: string;
    reason?: string;
    message?: string;
    conditions: { type: string; status: string; reason?: string }[];
    containerStatuses: { state: { terminated?: { reason: string; exitCode: number } } }[];
  };
}

describe('a device short of something', { timeout: 200_000 }, () => {
  test('a full disk costs the pod that filled it, not the one within its request', async (t) => {
    const cluster = await Cluster.start(t);
    // The agent's data lies on a small file system of its own: that is what is watched.
    const data = await mkdtemp('/var/tmp/flotilla-small-');
    const mounted = await finish('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', data]);
    t.after(async () => {
      await finish('umount', ['-l', data]);
      await rm(data, { recursive: true, force: true });
    });
    if (mounted.code !== 0) return t.skip('file systems cannot be mounted here');
    await symlink(data, join(cluster.directory, 'small'));
    await cluster.addNodes(['small']);
    const keeps = pod('keeps', 'dd if=/dev/zero of=kept bs=1M count=10 2>&1; sleep 1000', {
      resources: '{requests: {ephemeral-storage: 20Mi}}',
    });
    await cluster.apply(keeps + pod('fills', 'dd if=/dev/zero of=filled bs=1M count=50 2>&1; sleep 1000'));
    const { status } = await until('the eviction', async () => {
      const found = await cluster.json<PodStatus>(['get', 'pod', 'fills']);
      return found.status.phase === 'Failed' ? found : undefined;
    });
    assert.equal(status.reason, 'Evicted');
    assert.match(
      status.message ?? '',
      /^The node was low on resource: ephemeral-storage\. Threshold quantity: \d+Ki, available: \d+Ki\. /,
    );
    assert.deepEqual(
      status.conditions.filter(({ type }) => type === 'DisruptionTarget').map(({ reason }) => reason),
      ['TerminationByKubelet'],
    );
    const node = await cluster.ok(['describe', 'node', 'small']);
    assert.match(node, /DiskPressure +True .*KubeletHasDiskPressure/);
    assert.match(node, /node\.kubernetes\.io\/disk-pressure:NoSchedule/);
    const usage = await finish('df', ['--output=used', '-m', data]);
    assert.ok(Number(usage.stdout.split('\n')[1]) < 30, `the room was given back: ${usage.stdout}`);
    const kept = await cluster.json<PodStatus>(['get', 'pod', 'keeps']);
    assert.equal(kept.status.phase, 'Running');
  });

  test('a pod that writes more than its own limits allow goes, on a disk that has room', async (t) => {
    const cluster = await Cluster.start(t);
    await cluster.addNodes(['roomy'], { runtime: 'auto' });
    const write = (file: string) => `dd if=/dev/zero of=${file} bs=1M count=5 2>&1; sleep 1000`;
    await cluster.apply(pod('writes', write('filled'), { resources: '{limits: {ephemeral-storage: 2Mi}}' }));
    const image = missing === undefined ? busyboxImage : undefined;
    if (image) {
      const caches = pod('caches', write('/cache/filled'), { image }).replace(
        /    resources: .*\n/,
        '    volumeMounts: [{name: cache, mountPath: /cache}]\n  volumes: [{name: cache, emptyDir: {sizeLimit: 1Mi}}]\n',
      );
      await cluster.apply(caches);
    }
    const messageOf = (name: string) =>
      until(`the eviction of ${name}`, async () => {
        const { status } = await cluster.json<PodStatus>(['get', 'pod', name]);
        return status.phase === 'Failed' ? `${status.reason}: ${status.message}` : undefined;
      });
    assert.equal(
      await messageOf('writes'),
      'Evicted: Pod ephemeral local storage usage exceeds the total limit of containers 2Mi. ',
    );
    if (image)
      assert.equal(
        await messageOf('caches'),
        'Evicted: Usage of EmptyDir volume "cache" exceeds the limit "1Mi". ',
      );
  });

  test('a memory hog is killed by its limit and says so', async (t) => {
    const cluster = await Cluster.start(t);
    await cluster.addNodes(['tight']);
    const hog = pod('hog', 'x=x; while true; do x=$x$x; done', { resources: '{limits: {memory: 32Mi}}' });
    await cluster.apply(hog);
    const { status } = await until('the end of the hog', async () => {
      const found = await cluster.json<PodStatus>(['get', 'pod', 'hog']);
      return found.status.phase === 'Failed' ? found : undefined;
    });
    const [ended] = status.containerStatuses;
    assert.deepEqual(
      [ended?.state.terminated?.reason, ended?.state.terminated?.exitCode],
      ['OOMKilled', 137],
    );
  });

  test('a fork bomb stays in its container', { skip: missing ?? false }, async (t) => {
    const cluster = await Cluster.start(t);
    await cluster.addNodes(['bombed'], { runtime: 'auto' });
    const bomb = 'i=0; while [ $i -lt 1500 ]; do sleep 100 & i=$((i+1)); done; echo all of them';
    await cluster.apply(pod('contained', bomb, { image: busyboxImage }) + pod('process', bomb));
    for (const name of ['contained', 'process']) {
      await until(`the end of ${name}`, async () => {
        const { status } = await cluster.json<PodStatus>(['get', 'pod', name]);
        return status.phase === 'Failed';
      });
      assert.match(await cluster.ok(['logs', name]), /can't fork|Cannot fork/);
    }
    await cluster.waitForNode('bombed', 'True');
  });
});
