import { readFile } from 'node:fs/promises';
import { openApiClient } from '../cli/api-client.ts';
import type { Pod } from '../protocol/generated/models.ts';
import { Cluster } from '../test/e2e/support/cluster.ts';
import { busyboxImage, containersMissing } from '../test/e2e/support/images.ts';
import { finish, until } from '../test/e2e/support/programs.ts';

/**
 * What the main job costs, on this machine: memory of an idle agent and server, time from a pod's creation to its
 * Running status as the API shows it, and the engine's own time for the same containers in the same run.
 *
 *   npm run bench -- bench/main-job.ts [pods per runtime = 20]
 */
const rounds = Number(process.argv[2] ?? 20);
const ending: (() => Promise<void>)[] = [];
try {
  await measure();
} finally {
  for (const task of ending) await task();
}

async function measure(): Promise<void> {
  const cluster = await Cluster.start({ after: (task) => void ending.push(task) });
  await cluster.addNodes(['bench'], { runtime: 'auto' });
  const agent = cluster.agents.get('bench')?.pid ?? 0;
  print('agent, idle', await memory(agent));
  print('server, idle', await memory(cluster.server?.pid ?? 0));
  const running = await startTimes(cluster, 'process', 'host');
  print(`process: create → Running, ${rounds} pods one by one`, percentiles(running));
  if (await containersMissing()) return print('container', 'skipped: no engine');
  const own = await engineTimes();
  const containers = await startTimes(cluster, 'oci', busyboxImage);
  print(`container: create → Running, ${rounds} pods one by one`, percentiles(containers));
  print('the engine alone: sandbox and container', percentiles(own));
  print('container, beyond the engine, p50', `${(median(containers) - median(own)).toFixed(0)} ms`);
  print(`agent, after ${2 * rounds} pods`, await memory(agent));
}

/** Milliseconds from sending the creation to the first answer that shows the pod Running. */
async function startTimes(cluster: Cluster, runtimeClassName: string, image: string): Promise<number[]> {
  const client = await openApiClient(cluster.kubeconfig);
  const times: number[] = [];
  for (let index = 0; index < rounds; index += 1) {
    const path = `/api/v1/namespaces/default/pods/${runtimeClassName}-${index}`;
    const pod = {
      metadata: { name: `${runtimeClassName}-${index}` },
      spec: {
        runtimeClassName,
        terminationGracePeriodSeconds: 1,
        containers: [{ name: 'c', image, imagePullPolicy: 'Never', command: ['sleep', '1000'] }],
      },
    };
    const began = performance.now();
    await client.request('POST', '/api/v1/namespaces/default/pods', pod);
    await until(
      'pod running',
      async () => ((await client.request('GET', path)).body as Pod).status?.phase === 'Running',
      {
        pollMs: 1,
      },
    );
    times.push(performance.now() - began);
    await client.request('DELETE', path);
    await until('pod gone', async () => (await client.request('GET', path)).code === 404);
  }
  return times;
}

/** The same with the engine's command line: a container that holds the namespaces, and one in them. */
async function engineTimes(): Promise<number[]> {
  const times: number[] = [];
  for (let index = 0; index < rounds; index += 1) {
    const began = performance.now();
    const run = ['run', '-d', '--pull=never'];
    const sandbox = (await finish('podman', [...run, busyboxImage, 'sleep', '1000'])).stdout.trim();
    const main = await finish('podman', [
      ...run,
      '--network',
      `container:${sandbox}`,
      busyboxImage,
      'sleep',
      '1000',
    ]);
    times.push(performance.now() - began);
    // One after the other: an engine keeps a container that another one depends on.
    for (const id of [main.stdout.trim(), sandbox]) await finish('podman', ['rm', '-f', '-t', '0', id]);
  }
  return times;
}

async function memory(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  const mebibytes = (field: string) =>
    (Number(new RegExp(`^${field}: +(\\d+)`, 'm').exec(text)?.[1]) / 1024).toFixed(1);
  return `RSS ${mebibytes('Rss')} MiB, of it anonymous ${mebibytes('Anonymous')} MiB`;
}

function percentiles(times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(0);
  return `p50 ${at(0.5)} ms, p90 ${at(0.9)} ms, worst ${at(1)} ms`;
}

function median(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
}

function print(what: string, value: string): void {
  process.stdout.write(`${what.padEnd(52)}${value}\n`);
}
