import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { Cluster } from '../test/e2e/support/cluster.ts';
import { busyboxImage, containersMissing } from '../test/e2e/support/images.ts';
import { containerDeployment, processDeployment } from '../test/e2e/support/manifests.ts';
import { until } from '../test/e2e/support/programs.ts';

/**
 * What a device's agent keeps in memory, started as a user starts it (budget: 65 MB resident, of it 20 MB
 * anonymous), and its server. `peak` is the most that was ever resident until then.
 *
 *   npm run bench -- bench/agent-memory.ts [pods = 10,50] [runtimes = process,oci]
 */
type Runtime = 'process' | 'oci';
const [podCounts = '10,50', runtimes = 'process,oci'] = process.argv.slice(2);
const settleMs = 5_000;
const logRounds = 5;
const readyTimeoutMs = 300_000;
const ending: (() => Promise<void>)[] = [];

for (const runtime of runtimes.split(',') as Runtime[]) {
  if (runtime === 'oci' && (await containersMissing())) continue;
  try {
    await measure(runtime);
  } finally {
    for (const task of ending.splice(0)) await task();
  }
}

async function measure(runtime: Runtime): Promise<void> {
  const cluster = await Cluster.start({ after: (task) => void ending.push(task) });
  const columns = ['RSS', 'anon.', 'PSS', 'peak', 'CPU s'];
  process.stdout.write(`${`agent, ${runtime}`.padEnd(44)}${columns.map(right).join('')}\n`);
  await cluster.addNodes(['one'], { runtime });
  const pid = () => cluster.agents.get('one')?.pid ?? 0;
  await print('just joined', pid());
  await restart(cluster, runtime);
  await print('started again', pid());
  for (const pods of podCounts.split(',').map(Number)) await withPods(cluster, runtime, pods);
  await print('server: one node', cluster.server?.pid ?? 0);
}

async function withPods(cluster: Cluster, runtime: Runtime, pods: number): Promise<void> {
  const pid = () => cluster.agents.get('one')?.pid ?? 0;
  const options = { replicas: pods, cpu: '1m' };
  const app = `pods-${pods}`;
  await cluster.apply(
    runtime === 'oci' ? containerDeployment(app, busyboxImage, options) : processDeployment(app, options),
  );
  const ready = await cluster.readyPods(app, pods, readyTimeoutMs);
  await print(`${pods} pods, just started`, pid());
  const some = ready.slice(0, 10);
  for (let round = 0; round < logRounds; round++) {
    for (const { name } of some) await cluster.ok(['logs', '--tail=5', name]);
  }
  await print(`after ${logRounds * some.length} × kubectl logs`, pid());
  for (const { name } of some) await cluster.ok(['exec', name, '--', 'true']);
  await print(`after ${some.length} × kubectl exec`, pid());
  await restart(cluster, runtime);
  await print(`started again over ${pods} pods`, pid());
  await cluster.ok(['delete', 'deployment', app]);
  const gone = async () => (await cluster.ok(['get', 'pods', '-o', 'name'])) === '';
  await until('pods gone', gone, { timeoutMs: readyTimeoutMs });
}

async function restart(cluster: Cluster, runtime: Runtime): Promise<void> {
  await cluster.agents.get('one')?.kill('SIGTERM');
  await cluster.waitForNode('one', 'Unknown');
  await cluster.startAgent('one', { runtime });
  await cluster.waitForNode('one', 'True');
}

async function print(what: string, pid: number): Promise<void> {
  await delay(settleMs);
  const [rollup, status, stat] = await Promise.all(
    ['smaps_rollup', 'status', 'stat'].map((file) => readFile(`/proc/${pid}/${file}`, 'utf8')),
  );
  const mebibytes = (text: string | undefined, field: string) =>
    (Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(text ?? '')?.[1]) / 1024).toFixed(1);
  const times = (stat ?? '').split(' ').slice(13, 15);
  const cpuSeconds = times.reduce((sum, ticks) => sum + Number(ticks), 0) / 100;
  const row = ['Rss', 'Anonymous', 'Pss'].map((field) => mebibytes(rollup, field));
  const cells = [...row, mebibytes(status, 'VmHWM'), cpuSeconds.toFixed(2)];
  process.stdout.write(`${what.padEnd(44)}${cells.map(right).join('')}\n`);
}

function right(cell: string): string {
  return cell.padStart(8);
}
