import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ApiClient, expectSuccess, openApiClient } from '../cli/api-client.ts';
import type { Deployment } from '../protocol/generated/models.ts';
import { Cluster } from '../test/e2e/support/cluster.ts';
import { launcher, Running, until } from '../test/e2e/support/programs.ts';

/**
 * A Deployment over a fleet of simulated devices, each on its own TLS and MQTT connection, with the sync protocol and
 * the agent's own code: from its creation until every replica is Running and ready, as the API shows it.
 *
 *   npm run bench -- bench/fleet.ts [devices = 100] [replicas = 1000] [rounds = 3]
 */
const [devices = 100, replicas = 1000, rounds = 3] = process.argv.slice(2).map(Number);
const ending: (() => Promise<void>)[] = [];
try {
  await measure();
} finally {
  for (const task of ending.toReversed()) await task();
}

async function measure(): Promise<void> {
  const cluster = await Cluster.start({ after: (task) => void ending.push(task) });
  const token = await cluster.createToken('--reusable');
  const joinMs = await startFleet(cluster, token);
  print(`${devices} devices joined and Ready`, `${(joinMs / 1000).toFixed(1)} s`);
  const client = await openApiClient(cluster.kubeconfig);
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) times.push(await rollOut(client, `crowd-${round}`));
  const [median = 0] = times.toSorted((a, b) => a - b).slice(Math.floor(rounds / 2));
  const all = times.map((ms) => (ms / 1000).toFixed(2)).join(', ');
  print(`${replicas} replicas ready`, `${(median / 1000).toFixed(2)} s (median of ${all})`);
  print('server, resident', `${await residentMebibytes(cluster.server?.pid ?? 0)} MiB`);
}

async function startFleet(cluster: Cluster, token: string): Promise<number> {
  const began = performance.now();
  const fleet = new Running(launcher, [
    'simulate',
    '--data',
    join(cluster.directory, 'fleet'),
    '--join',
    token,
    '--server',
    `127.0.0.1:${cluster.mqttPort}`,
    '--nodes',
    String(devices),
    '--cpus',
    '64',
    '--memory',
    '64Gi',
  ]);
  ending.push(async () => void (await fleet.kill('SIGTERM')));
  await fleet.saying(/devices run after/, 600_000);
  await until(
    'every node Ready',
    async () => (await cluster.ok(['get', 'nodes', '--no-headers'])).match(/ Ready /g)?.length === devices,
    { timeoutMs: 120_000 },
  );
  const took = performance.now() - began;
  print('the fleet, resident', `${await residentMebibytes(fleet.pid)} MiB`);
  return took;
}

/** Milliseconds. */
async function rollOut(client: ApiClient, name: string): Promise<number> {
  const collection = '/apis/apps/v1/namespaces/default/deployments';
  const path = `${collection}/${name}`;
  const labels = { app: name };
  const containers = [
    { name: 'main', image: 'none', resources: { requests: { cpu: '10m', memory: '16Mi' } } },
  ];
  const spec = {
    replicas,
    selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: { containers } },
  };
  const began = performance.now();
  expectSuccess(
    await client.request('POST', collection, { metadata: { name }, spec }),
    'creating the Deployment',
  );
  const status = async () => ((await client.request('GET', path)).body as Deployment).status;
  await until('all ready', async () => (await status())?.readyReplicas === replicas, {
    timeoutMs: 300_000,
    pollMs: 20,
  });
  const took = performance.now() - began;
  await client.request('DELETE', path);
  const pods = `/api/v1/namespaces/default/pods?labelSelector=app%3D${name}&limit=1`;
  const left = async () => ((await client.request('GET', pods)).body as { items: unknown[] }).items.length;
  await until('all gone', async () => (await left()) === 0, { timeoutMs: 300_000, pollMs: 200 });
  return took;
}

async function residentMebibytes(pid: number): Promise<string> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return (Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024).toFixed(0);
}

function print(what: string, value: string): void {
  process.stdout.write(`${what.padEnd(40)}${value}\n`);
}
