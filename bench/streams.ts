import { Agent, get } from 'node:http';
import { Writable } from 'node:stream';
import { Exec, KubeConfig, type V1Status } from '@kubernetes/client-node';
import { openApiClient } from '../cli/api-client.ts';
import type { Pod } from '../protocol/generated/models.ts';
import { Cluster } from '../test/e2e/support/cluster.ts';
import { busyboxImage, containersMissing } from '../test/e2e/support/images.ts';
import { finish, freePort, until } from '../test/e2e/support/programs.ts';

/**
 * What streams into pods cost, through server and agent, beside the engine's own: the round trip of a command (each on a
 * WebSocket of its own, as Kubernetes' clients do it), a forwarded port's throughput, and how long a new pod takes to show
 * as Running while a stream floods its node.
 *
 *   npm run bench -- bench/streams.ts [commands = 100] [runtimes = process,oci]
 */
type Runtime = 'process' | 'oci';
const commands = Number(process.argv[2] ?? 100);
const runtimes = (process.argv[3] ?? 'process,oci').split(',') as Runtime[];
const bigBytes = 64 * 1024 * 1024;
const requests = 500;
const requestsAtOnce = 8;
const createdPods = 10;
const ending: (() => Promise<void>)[] = [];
try {
  for (const runtime of runtimes)
    if (runtime !== 'oci' || !(await containersMissing())) await measure(runtime);
} finally {
  for (const task of ending) await task();
}

async function measure(runtime: Runtime): Promise<void> {
  const cluster = await Cluster.start({ after: (task) => void ending.push(task) });
  await cluster.addNodes(['one'], { runtime: 'auto' });
  const podPort = runtime === 'oci' ? 8080 : await freePort();
  const pod = await startWebPod(cluster, runtime, podPort);
  print(`\n${runtime}`, '');
  print(`exec true, ${commands} one by one`, percentiles(await execTimes(cluster)));
  if (runtime === 'oci') {
    const container = (pod.status?.containerStatuses?.[0]?.containerID ?? '').replace(/^.*:\/\//, '');
    print(`podman exec true, ${commands} one by one`, percentiles(await engineExecTimes(container)));
  }
  const port = await freePort();
  const forward = cluster.background(['port-forward', 'web', `${port}:${podPort}`]);
  ending.unshift(async () => void (await forward.kill('SIGKILL')));
  await forward.saying(/Forwarding from/);
  const address = runtime === 'oci' ? (pod.status?.podIP ?? '') : '127.0.0.1';
  for (const [what, base] of [
    ['forwarded', `http://127.0.0.1:${port}`],
    ['the pod itself', `http://${address}:${podPort}`],
  ] as const) {
    const megabytes = bigBytes / 1e6;
    const seconds = await secondsOf(() => download(`${base}/big`));
    print(`${what}: ${megabytes.toFixed(0)} MB`, `${(megabytes / seconds).toFixed(1)} MB/s`);
    const all = await secondsOf(() => manyRequests(`${base}/small`));
    print(
      `${what}: ${requests} requests, ${requestsAtOnce} at once`,
      `${(requests / all).toFixed(0)} a second`,
    );
  }
  print(`create → Running, ${createdPods} one by one`, percentiles(await createTimes(cluster, 'quiet')));
  const flood = startFlood(`http://127.0.0.1:${port}/big`);
  print('the same while that port floods', percentiles(await createTimes(cluster, 'flood')));
  print('exec true meanwhile', percentiles(await execTimes(cluster)));
  print('what the flood carried', `${(await flood.stop()).toFixed(1)} MB/s`);
  await forward.kill('SIGKILL');
  await cluster.stop();
}

async function startWebPod(cluster: Cluster, runtime: Runtime, port: number): Promise<Pod> {
  const folder = '$(mktemp -d /tmp/flotilla-bench-XXXXXX)';
  const script = [
    `folder=${folder}; head -c ${bigBytes} /dev/zero > $folder/big; echo ok > $folder/small`,
    `busybox httpd -f -p ${port} -h $folder &`,
    `trap "kill $!; rm -rf $folder; exit 0" TERM; wait $!`,
  ].join('\n');
  const image = runtime === 'oci' ? busyboxImage : 'host';
  // No mktemp in the small image.
  const command = ['sh', '-c', runtime === 'oci' ? script.replace(folder, '/tmp') : script];
  const container = { name: 'main', image, imagePullPolicy: 'Never', command };
  const readinessProbe = { tcpSocket: { port }, periodSeconds: 1 };
  const spec = {
    runtimeClassName: runtime,
    hostNetwork: runtime === 'process',
    terminationGracePeriodSeconds: 3,
    containers: [{ ...container, readinessProbe }],
  };
  await cluster.apply(JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web' }, spec }));
  await cluster.ok(['wait', 'pod/web', '--for=condition=Ready', '--timeout=60s']);
  return cluster.json<Pod>(['get', 'pod', 'web']);
}

async function execTimes(cluster: Cluster): Promise<number[]> {
  const config = new KubeConfig();
  config.loadFromFile(cluster.kubeconfig);
  const exec = new Exec(config);
  const sink = new Writable({ write: (_chunk, _encoding, done) => done() });
  const times: number[] = [];
  for (let index = 0; index < commands; index += 1) {
    const began = performance.now();
    const status = await new Promise<V1Status>((resolve, reject) => {
      exec.exec('default', 'web', 'main', 'true', sink, sink, null, false, resolve).catch(reject);
    });
    if (status.status !== 'Success') throw new Error(`exec: ${status.message}`);
    times.push(performance.now() - began);
  }
  return times;
}

async function engineExecTimes(container: string): Promise<number[]> {
  const times: number[] = [];
  for (let index = 0; index < commands; index += 1) {
    const began = performance.now();
    const { code, stderr } = await finish('podman', ['exec', container, 'true']);
    if (code !== 0) throw new Error(`podman exec: ${stderr}`);
    times.push(performance.now() - began);
  }
  return times;
}

/** Milliseconds from sending the creation of a pod of the process runtime to the first answer that shows it Running. */
async function createTimes(cluster: Cluster, prefix: string): Promise<number[]> {
  const client = await openApiClient(cluster.kubeconfig);
  const times: number[] = [];
  for (let index = 0; index < createdPods; index += 1) {
    const name = `${prefix}-${index}`;
    const container = { name: 'c', image: 'host', command: ['sleep', '1000'] };
    const spec = { runtimeClassName: 'process', terminationGracePeriodSeconds: 1, containers: [container] };
    const path = `/api/v1/namespaces/default/pods/${name}`;
    const began = performance.now();
    await client.request('POST', '/api/v1/namespaces/default/pods', { metadata: { name }, spec });
    const isRunning = async () =>
      ((await client.request('GET', path)).body as Pod).status?.phase === 'Running';
    await until('pod running', isRunning, { pollMs: 1 });
    times.push(performance.now() - began);
    await client.request('DELETE', path);
    await until('pod gone', async () => (await client.request('GET', path)).code === 404);
  }
  return times;
}

/** Downloads again and again; `stop` resolves with megabytes a second. */
function startFlood(url: string): { stop(): Promise<number> } {
  const abort = new AbortController();
  const began = performance.now();
  let bytes = 0;
  const count = (length: number) => {
    bytes += length;
  };
  const running = (async () => {
    while (!abort.signal.aborted) await download(url, { signal: abort.signal, count }).catch(() => {});
  })();
  return {
    async stop() {
      const seconds = (performance.now() - began) / 1_000;
      abort.abort();
      await running;
      return bytes / 1e6 / seconds;
    },
  };
}

async function manyRequests(url: string): Promise<void> {
  let left = requests;
  const one = async () => {
    while (left > 0) {
      left -= 1;
      await download(url);
    }
  };
  await Promise.all(Array.from({ length: requestsAtOnce }, one));
}

/** Each on a connection of its own. */
function download(
  url: string,
  options: { signal?: AbortSignal; count?: (length: number) => void } = {},
): Promise<void> {
  const agent = new Agent({ keepAlive: false });
  return new Promise((resolve, reject) => {
    const request = get(url, { agent, ...(options.signal ? { signal: options.signal } : {}) }, (response) => {
      response.on('data', (chunk: Buffer) => options.count?.(chunk.length));
      response.on('end', resolve).on('error', reject);
    });
    request.on('error', reject);
  });
}

async function secondsOf(work: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1_000;
}

function percentiles(times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(0);
  return `p50 ${at(0.5)} ms, p90 ${at(0.9)} ms, p99 ${at(0.99)} ms`;
}

function print(what: string, value: string): void {
  process.stdout.write(`${what.padEnd(48)}${value}\n`);
}
