import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parseCgroupMounts } from '../../agent/drivers/process/cgroups.ts';
import { Cluster } from './support/cluster.ts';
import { busyboxImage, containersMissing } from './support/images.ts';
import { processDeployment } from './support/manifests.ts';
import { finish, until } from './support/programs.ts';

/** What a pod's containers may take together, held by a control group of the pod, whichever driver runs them. */
const missing = await containersMissing();
const mounts = parseCgroupMounts(await readFile('/proc/self/mounts', 'utf8'));
const pidsMount = mounts.controllers.get('pids') ?? mounts.unified;
const memoryMount = mounts.controllers.get('memory') ?? mounts.unified;
const limitFile = mounts.controllers.has('memory') ? 'memory.limit_in_bytes' : 'memory.max';
const podPidsMax = 60;

interface Status {
  metadata: { uid: string };
  status: { phase: string; containerStatuses?: { ready: boolean }[] };
}

describe('the group of a pod', { timeout: 200_000, skip: !pidsMount || !memoryMount }, () => {
  let cluster: Cluster;
  const ending: (() => Promise<void>)[] = [];

  before(async () => {
    cluster = await Cluster.start({ after: (task) => void ending.push(task) });
    const flags = ['--pod-pids-max', String(podPidsMax)];
    await cluster.addNodes(['one'], { runtime: missing ? 'process' : 'auto', flags });
    await cluster.apply(processDeployment('good'));
    await cluster.readyPods('good', 1);
  });

  after(async () => {
    for (const task of ending) await task();
  });

  /** Where the pod's group is below a mount. */
  async function groupOf(uid: string, mount = ''): Promise<string> {
    const found = await finish('find', [join(mount, 'flotilla'), '-type', 'd', '-name', uid]);
    return found.stdout.trim().split('\n')[0] ?? '';
  }

  const runtimes = [
    { runtime: 'process', image: 'host' },
    ...(missing ? [] : [{ runtime: 'oci', image: busyboxImage }]),
  ];
  for (const { runtime, image } of runtimes) {
    test(`${runtime}: a fork bomb in every container leaves the pod within its number of processes`, async () => {
      // A shell ends when it cannot fork; what it started stays.
      const bomb = '(while :; do sleep 1000 & done) 2> /dev/null & exec sleep 1000';
      // Not before both run: in a pod that is full of processes no container starts.
      const script = `until [ -e /tmp/go ]; do sleep 0.2; done; ${bomb}`;
      await cluster.apply(pod(`bomb-${runtime}`, { runtime, image, scripts: [script, script] }));
      const { metadata } = await running(`bomb-${runtime}`);
      for (const container of ['c0', 'c1'])
        await cluster.kubectl(['exec', `bomb-${runtime}`, '-c', container, '--', 'touch', '/tmp/go']);
      const group = await groupOf(metadata.uid, pidsMount);
      assert.match(group, /\/besteffort\//);
      const number = async () => Number(await readFile(join(group, 'pids.current'), 'utf8'));
      let most = 0;
      await until('the pod has all that it may', async () => {
        most = Math.max(most, await number());
        return most >= podPidsMax - 5;
      });
      assert.ok(most <= podPidsMax, `${most} processes`);
      const [good] = await cluster.readyPods('good', 1);
      assert.equal(await cluster.ok(['exec', good?.name ?? '', '--', 'echo', 'x']), 'x\n');
      await remove(`bomb-${runtime}`);
      await until('no group outlives its pod', async () => (await leftOf(metadata.uid)).length === 0);
    });

    test(`${runtime}: the pod's limits are the sum of its containers', and follow a resize`, async () => {
      const name = `sized-${runtime}`;
      const limits = 'limits: {memory: 32Mi, cpu: 200m}, requests: {memory: 16Mi, cpu: 100m}';
      const script = 'while :; do sleep 1; done';
      await cluster.apply(pod(name, { runtime, image, scripts: [script, script], limits }));
      const { metadata } = await running(name);
      const group = await groupOf(metadata.uid, memoryMount);
      assert.match(group, /\/burstable\//);
      const limit = async () => Number(await readFile(join(group, limitFile), 'utf8')) / 2 ** 20;
      assert.equal(await limit(), 64);
      const groups = (await readdir(group, { withFileTypes: true })).filter((entry) => entry.isDirectory());
      assert.ok(groups.length >= 2, 'its containers are in it');
      for (const memory of ['48Mi', '24Mi']) {
        const patch = { spec: { containers: [{ name: 'c0', resources: { limits: { memory } } }] } };
        await cluster.ok(['patch', 'pod', name, '--subresource', 'resize', '-p', JSON.stringify(patch)]);
        const wanted = Number.parseInt(memory, 10) + 32;
        await until(`${wanted} MiB`, async () => (await limit()) === wanted);
      }
      const path = '/api/v1/nodes/one/proxy/stats/summary';
      const summary = await until('what it uses', async () => {
        const { pods } = JSON.parse(await cluster.ok(['get', '--raw', path])) as {
          pods: {
            podRef: { name: string };
            memory: { workingSetBytes: number };
            containers: { memory: { workingSetBytes: number } }[];
          }[];
        };
        return pods.find(({ podRef }) => podRef.name === name);
      });
      assert.ok(summary.memory.workingSetBytes > 0);
      await remove(name);
    });
  }

  async function running(name: string): Promise<Status> {
    return until(
      `${name} runs`,
      async () => {
        const found = await cluster.json<Status>(['get', 'pod', name]);
        const all = found.status.containerStatuses?.every(({ ready }) => ready);
        return found.status.phase === 'Running' && all ? found : undefined;
      },
      { timeoutMs: 60_000, describe: () => cluster.ok(['describe', 'pod', name]) },
    );
  }

  async function remove(name: string): Promise<void> {
    await cluster.ok(['delete', 'pod', name, '--wait=false']);
    await until(`${name} gone`, async () => (await cluster.kubectl(['get', 'pod', name])).code !== 0, {
      timeoutMs: 60_000,
    });
  }

  async function leftOf(uid: string): Promise<string[]> {
    const found = await finish('find', ['/sys/fs/cgroup', '-type', 'd', '-path', `*${uid}*`]);
    return found.stdout.split('\n').filter(Boolean);
  }
});

function pod(
  name: string,
  options: { runtime: string; image: string; scripts: readonly string[]; limits?: string },
): string {
  const { runtime, image, scripts, limits } = options;
  return [
    'apiVersion: v1',
    'kind: Pod',
    `metadata: {name: ${name}}`,
    'spec:',
    `  runtimeClassName: ${runtime}`,
    '  terminationGracePeriodSeconds: 0',
    '  containers:',
    ...scripts.flatMap((script, index) => [
      `  - name: c${index}`,
      `    image: ${image}`,
      '    imagePullPolicy: Never',
      `    command: [sh, -c, ${JSON.stringify(script)}]`,
      ...(limits === undefined ? [] : [`    resources: {${limits}}`]),
    ]),
    '',
  ].join('\n');
}
