import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { Cluster, type PodFacts } from './support/cluster.ts';
import { busyboxImage, containersMissing } from './support/images.ts';
import { containerDeployment, processDeployment } from './support/manifests.ts';
import { finish, until } from './support/programs.ts';

/** What holds when the server or the agent is killed at any moment (`kill -9`), with real processes and containers. */
const noContainers = await containersMissing();

describe('server and agent killed', { timeout: 300_000 }, () => {
  test('pods outlive a killed server; after its start nothing restarts and kubectl is right at its first answer', async (t) => {
    const cluster = await Cluster.start(t);
    await cluster.addNodes(['one'], { runtime: 'auto' });
    const apps = await deployBoth(cluster);
    const before = await facts(cluster, apps);
    await cluster.killServer();
    for (const pid of await pidsOf(cluster, before))
      assert.ok(isAlive(pid), `process ${pid} goes on without a server`);
    await cluster.startServer();
    await until('kubectl answers', async () => (await cluster.kubectl(['get', 'nodes'])).code === 0);
    assert.deepEqual(await facts(cluster, apps), before, 'same pods, same containers, same restart counts');
    await until(
      'the device is back',
      async () => (await cluster.kubectl(['exec', before[0]?.name ?? '', '--', 'true'])).code === 0,
    );
    assert.deepEqual(await facts(cluster, apps), before, 'and nothing restarts when the link returns');
  });

  test('workloads outlive a killed agent and are adopted: same pids, same restart counts', async (t) => {
    const cluster = await Cluster.start(t);
    await cluster.addNodes(['one'], { runtime: 'auto' });
    const apps = await deployBoth(cluster);
    const before = await facts(cluster, apps);
    const pids = await pidsOf(cluster, before);
    await cluster.agents.get('one')?.kill('SIGKILL');
    await cluster.waitForNode('one', 'Unknown');
    for (const pid of pids) assert.ok(isAlive(pid), `process ${pid} goes on without its agent`);
    await cluster.startAgent('one', { runtime: 'auto' });
    await cluster.waitForNode('one', 'True');
    const pod = before[0]?.name ?? '';
    await until(
      'logs through the new agent',
      async () => (await cluster.kubectl(['logs', '--tail=1', pod])).code === 0,
    );
    assert.deepEqual(await facts(cluster, apps), before);
    assert.deepEqual(await pidsOf(cluster, before), pids);
  });

  test('an agent that cannot reach the server starts its workloads from disk', async (t) => {
    const cluster = await Cluster.start(t);
    await cluster.addNodes(['one']);
    const marker = `${cluster.directory}/started`;
    await cluster.apply(processDeployment('offline', { script: `echo $$$$ >> ${marker}; exec sleep 1000` }));
    const [pod] = await cluster.readyPods('offline', 1);
    assert.ok(pod);
    await cluster.agents.get('one')?.kill('SIGKILL');
    await cluster.killServer();
    const lines = () => finish('sh', ['-c', `cat ${marker}`]).then(({ stdout }) => stdout.trim().split('\n'));
    const [pid] = await lines();
    // As after a power cut: neither agent, nor server, nor the process.
    await finish('kill', ['-9', pid ?? '']);
    await cluster.startAgent('one', {});
    await until('started again from disk', async () => (await lines()).length === 2);
    await cluster.startServer();
    await cluster.waitForNode('one', 'True');
    await until('the restart is told', async () => {
      const [now] = await cluster.pods('offline');
      return now?.uid === pod.uid && now.restarts === 1 && now.ready;
    });
    assert.equal((await lines()).length, 2, 'nothing restarts when the link returns');
  });

  test('a pod deleted while its device is away is gone after the device is back', async (t) => {
    const cluster = await Cluster.start(t);
    await cluster.addNodes(['one']);
    const marker = `${cluster.directory}/alive`;
    await cluster.apply(
      processDeployment('away', {
        script: `touch ${marker}; trap 'rm ${marker}; exit 0' TERM; while :; do sleep 1 & wait $!; done`,
      }),
    );
    await cluster.readyPods('away', 1);
    await cluster.agents.get('one')?.kill('SIGKILL');
    await cluster.waitForNode('one', 'Unknown');
    await cluster.ok(['delete', 'deployment', 'away']);
    assert.ok(existsSync(marker), 'the device has not heard of it');
    assert.match(await cluster.ok(['get', 'pods', '-l', 'app=away']), /Terminating/);
    await cluster.startAgent('one');
    await until(
      'pod gone',
      async () => (await cluster.ok(['get', 'pods', '-l', 'app=away', '-o', 'name'])) === '',
    );
    assert.ok(!existsSync(marker), 'the process was asked to end and did');
  });
});

async function deployBoth(cluster: Cluster): Promise<string[]> {
  await cluster.apply(processDeployment('proc', { replicas: 2 }));
  if (!noContainers) await cluster.apply(containerDeployment('cont', busyboxImage, { replicas: 2 }));
  return noContainers ? ['proc'] : ['proc', 'cont'];
}

async function facts(cluster: Cluster, apps: readonly string[]): Promise<PodFacts[]> {
  const pods = await Promise.all(apps.map((app) => cluster.readyPods(app, 2)));
  return pods.flat().sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Host pids of the pods' main processes, as the pods themselves tell or as podman does. */
async function pidsOf(cluster: Cluster, pods: readonly PodFacts[]): Promise<number[]> {
  return Promise.all(
    pods.map(async ({ containerId = '', uid }) => {
      if (containerId.startsWith('podman://')) {
        const id = containerId.slice('podman://'.length);
        return Number((await finish('podman', ['inspect', '--format', '{{.State.Pid}}', id])).stdout);
      }
      return oldestProcessOf(uid);
    }),
  );
}

/** The first of the processes that carry the pod's uid in their environment: its children come and go. */
function oldestProcessOf(uid: string): number {
  const processes = readdirSync('/proc').flatMap((entry) => {
    try {
      if (!/^\d+$/.test(entry) || !readFileSync(`/proc/${entry}/environ`, 'latin1').includes(uid)) return [];
      const afterName = readFileSync(`/proc/${entry}/stat`, 'latin1').split(') ').at(-1) ?? '';
      return [{ pid: Number(entry), startTime: Number(afterName.split(' ')[19]) }];
    } catch {
      return [];
    }
  });
  const [oldest] = processes.sort((a, b) => a.startTime - b.startTime || a.pid - b.pid);
  assert.ok(oldest, `a process of pod ${uid}`);
  return oldest.pid;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
