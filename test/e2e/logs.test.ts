import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { Cluster } from './support/cluster.ts';
import { busyboxImage, containersMissing } from './support/images.ts';
import { finish, freePort, Running, until } from './support/programs.ts';

/** What pods say, as kubectl asks for it: from podman's containers and from processes of the host. */
const skip = await containersMissing();

/** More than the file that an engine keeps of a log, in lines that can be counted. */
const floodLines = 400_000;
const floodCommand = `seq 1 ${floodLines} | while read line; do echo "$line ${'x'.repeat(60)}"; done`;

function pod(name: string, runtime: string, containers: object[], spec: object = {}): object {
  const image = runtime === 'oci' ? { image: busyboxImage, imagePullPolicy: 'Never' } : { image: 'host' };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: containers.length > 1 ? 'logs' : 'other' } },
    spec: {
      runtimeClassName: runtime,
      terminationGracePeriodSeconds: 1,
      containers: containers.map((container) => ({ ...image, ...container })),
      ...spec,
    },
  };
}

const says = (script: string) => ['sh', '-c', `${script}; exec sleep 1000`];
const init = [{ name: 'init', image: busyboxImage, imagePullPolicy: 'Never', command: ['echo', 'begun'] }];

describe('logs of pods', { skip, timeout: 240_000 }, () => {
  let cluster: Cluster;
  const ending: (() => Promise<void>)[] = [];

  before(async () => {
    cluster = await Cluster.start({ after: (task) => void ending.push(task) });
    await cluster.addNodes(['one'], { runtime: 'auto' });
    const two = [
      { name: 'a', command: says('echo one; echo two; echo bad >&2') },
      { name: 'b', command: says('echo b') },
    ];
    const items = [
      pod('box', 'oci', two, { initContainers: init }),
      pod('host', 'process', two),
      pod('crash', 'oci', [{ name: 'a', command: ['sh', '-c', 'echo died; exit 3'] }]),
      pod('none', 'oci', [{ name: 'a', image: 'localhost/none:1' }]),
    ];
    await cluster.apply(JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
    await cluster.ok(['wait', '--for=condition=Ready', 'pod/box', 'pod/host', '--timeout=60s'], {
      timeoutMs: 70_000,
    });
  });
  after(async () => {
    for (const task of ending) await task();
  });

  const log = (...args: string[]) => cluster.ok(['logs', ...args]);
  const raw = (name: string, query: string) =>
    cluster.kubectl(['get', '--raw', `/api/v1/namespaces/default/pods/${name}/log?${query}`]);

  for (const name of ['box', 'host']) {
    test(`${name}: tail, since, limits and times`, async () => {
      const all = await until('every line', async () => {
        const text = await log(name, '-c', 'a');
        return text.trim().split('\n').length === 3 ? text : undefined;
      });
      assert.deepEqual(all.trim().split('\n').sort(), ['bad', 'one', 'two']);
      assert.equal((await log(name, '-c', 'a', '--tail=2')).split('\n').length, 3);
      assert.equal(await log(name, '-c', 'a', '--limit-bytes=5'), all.slice(0, 5));
      const stamped = (await log(name, '-c', 'a', '--timestamps')).trim().split('\n');
      for (const line of stamped) assert.match(line, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z \w+$/);
      assert.equal(await log(name, '-c', 'a', '--since=1h'), all);
      assert.equal(await log(name, '-c', 'a', '--since-time=2001-01-01T00:00:00Z'), all);
      assert.equal(await log(name, '-c', 'a', '--since-time=2101-01-01T00:00:00Z'), '');
      assert.match(await log(name, '--all-containers', '--prefix'), new RegExp(`\\[pod/${name}/b\\] b\n`));
    });
  }

  test('one of the two outputs, init containers, and several pods by their labels', async () => {
    assert.equal((await raw('box', 'container=a&stream=Stderr')).stdout, 'bad\n');
    assert.match((await raw('box', 'container=a&stream=Stderr&tailLines=1')).stderr, /mutually exclusive/);
    assert.equal(await log('box', '-c', 'init'), 'begun\n');
    const selected = await log('-l', 'app=logs', '-c', 'b', '--prefix');
    assert.match(selected, /\[pod\/box\/b\] b\n/);
    assert.match(selected, /\[pod\/host\/b\] b\n/);
    const many = ['logs', '-l', 'app=logs', '--all-containers', '-f', '--max-log-requests=1'];
    assert.match((await cluster.kubectl(many)).stderr, /maximum allowed concurrency is 1/);
  });

  test('the attempt before, and why there is none', async () => {
    const before_ = await until('a restart', async () => {
      const { code, stdout } = await cluster.kubectl(['logs', 'crash', '--previous']);
      return code === 0 && stdout !== '' ? stdout : undefined;
    });
    assert.equal(before_, 'died\n');
    const none = await cluster.kubectl(['logs', 'box', '-c', 'a', '--previous']);
    assert.match(none.stderr, /\(BadRequest\): previous terminated container "a" in pod "box" not found/);
    const waiting = await cluster.kubectl(['logs', 'none']);
    assert.match(waiting.stderr, /\(BadRequest\): container "a" in pod "none" is waiting to start: ErrImage/);
  });

  for (const runtime of ['oci', 'process']) {
    test(`${runtime}: a follower misses nothing of a flood and ends with the container; others go on`, async () => {
      const name = `flood-${runtime}`;
      const command = ['sh', '-c', `sleep 3; ${floodCommand}`];
      const spec = { restartPolicy: 'Never' };
      await cluster.apply(JSON.stringify(pod(name, runtime, [{ name: 'a', command }], spec)));
      await until('the container', async () => (await cluster.kubectl(['logs', name])).code === 0);
      const following = finish('sh', ['-c', `kubectl logs -f ${name} | md5sum`], {
        env: cluster.environment,
        timeoutMs: 120_000,
      });
      const expected = finish('sh', ['-c', `${floodCommand} | md5sum`], { timeoutMs: 120_000 });
      const beside = await cluster.ok(['exec', 'host', '-c', 'a', '--', 'echo', 'beside']);
      assert.equal(beside, 'beside\n');
      assert.equal((await following).stdout, (await expected).stdout);
      assert.equal(await cluster.ok(['get', 'node', 'one', '-o', ready]), 'True');
    });
  }

  test('a follower that is stopped holds neither side up', async () => {
    const name = 'chatter';
    const command = ['sh', '-c', 'while :; do echo 0123456789012345678901234567890123456789; done'];
    await cluster.apply(JSON.stringify(pod(name, 'process', [{ name: 'a', command }])));
    await cluster.ok(['wait', '--for=condition=Ready', `pod/${name}`, '--timeout=30s']);
    const follower = new Running('kubectl', ['logs', '-f', name], cluster.environment);
    await follower.saying(/0123/);
    follower.child.kill('SIGSTOP');
    const agent = cluster.agents.get('one');
    const [agentBefore, serverBefore] = [await residentKb(agent), await residentKb(cluster.server)];
    for (let round = 0; round < 5; round++) await cluster.ok(['exec', 'host', '-c', 'a', '--', 'sleep', '1']);
    assert.ok((await residentKb(agent)) - agentBefore < 30_000);
    assert.ok((await residentKb(cluster.server)) - serverBefore < 60_000);
    follower.child.kill('SIGKILL');
    await cluster.ok(['delete', 'pod', name, '--now']);
  });

  test('kubectl forwards ports through a tunnel in a WebSocket', async () => {
    const args = ['port-forward', 'pod/box', `${await freePort()}:80`, '-v=8'];
    const forward = new Running('kubectl', args, cluster.environment);
    await forward.saying(/Forwarding from/);
    assert.match(forward.output, /SPDY\/3\.1\+portforward\.k8s\.io/);
    assert.match(forward.output, /101 Switching Protocols/);
    await forward.kill('SIGTERM');
  });

  test('a device that is away is said to be', async () => {
    await cluster.agents.get('one')?.kill('SIGKILL');
    const { stderr } = await until('the refusal', async () => {
      const answer = await cluster.kubectl(['logs', 'host', '-c', 'a']);
      return answer.code === 0 ? undefined : answer;
    });
    assert.match(stderr, /node one is not connected/);
    await cluster.startAgent('one', { runtime: 'auto' });
    const again = await until('the log', async () => {
      const answer = await cluster.kubectl(['logs', 'host', '-c', 'a']);
      return answer.code === 0 ? answer.stdout : undefined;
    });
    assert.match(again, /one\ntwo\n/);
  });
});

const ready = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}';

async function residentKb(program: Running | undefined): Promise<number> {
  const status = await readFile(`/proc/${program?.child.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
}
