import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { Cluster } from '../test/e2e/support/cluster.ts';
import { processDeployment } from '../test/e2e/support/manifests.ts';
import { until } from '../test/e2e/support/programs.ts';

/**
 * What a device's agent keeps in memory, started as a user starts it (budget: 65 MB resident, of it 20 MB
 * anonymous), and its server.
 *
 *   npm run bench -- bench/agent-memory.ts [pods = 10]
 */
const pods = Number(process.argv[2] ?? 10);
const settleMs = 5_000;
const rounds = 5;
const ending: (() => Promise<void>)[] = [];
try {
  await measure();
} finally {
  for (const task of ending) await task();
}

async function measure(): Promise<void> {
  const cluster = await Cluster.start({ after: (task) => void ending.push(task) });
  process.stdout.write(`${''.padEnd(44)}${['RSS', 'anon.', 'PSS', 'CPU s'].map(right).join('')}\n`);
  await cluster.addNodes(['one']);
  const pid = () => cluster.agents.get('one')?.pid ?? 0;
  await print('agent: joined, no pods', pid());
  await cluster.agents.get('one')?.kill('SIGTERM');
  await until('told to be away', async () => (await cluster.ok(['get', 'nodes'])).includes('NotReady'));
  await cluster.startAgent('one');
  await cluster.waitForNode('one', 'True');
  await print('agent: started again, no pods', pid());
  await print('server: one node, no pods', cluster.server?.pid ?? 0);
  await cluster.apply(processDeployment('ten', { replicas: pods }));
  const ready = await cluster.readyPods('ten', pods);
  await print(`agent: ${pods} process pods`, pid());
  for (let round = 0; round < rounds; round++) {
    for (const { name } of ready) await cluster.ok(['logs', '--tail=5', name]);
  }
  await print(`agent: after ${rounds * pods} × kubectl logs`, pid());
  for (const { name } of ready) await cluster.ok(['exec', name, '--', 'true']);
  await print(`agent: after ${pods} × kubectl exec`, pid());
  await cluster.agents.get('one')?.kill('SIGKILL');
  await cluster.startAgent('one');
  await cluster.waitForNode('one', 'True');
  await print(`agent: started again over ${pods} pods`, pid());
  await print(`server: one node, ${pods} pods`, cluster.server?.pid ?? 0);
}

async function print(what: string, pid: number): Promise<void> {
  await delay(settleMs);
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  const mebibytes = (field: string) =>
    (Number(new RegExp(`^${field}: +(\\d+)`, 'm').exec(rollup)?.[1]) / 1024).toFixed(1);
  const times = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(' ').slice(13, 15);
  const cpuSeconds = times.reduce((sum, ticks) => sum + Number(ticks), 0) / 100;
  const row = [mebibytes('Rss'), mebibytes('Anonymous'), mebibytes('Pss'), cpuSeconds.toFixed(2)];
  process.stdout.write(`${what.padEnd(44)}${row.map(right).join('')}\n`);
}

function right(cell: string): string {
  return cell.padStart(8);
}
