import { readdir, readFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { limits } from '../protocol/limits.ts';
import { Cluster } from '../test/e2e/support/cluster.ts';
import { busyboxImage, containersMissing } from '../test/e2e/support/images.ts';
import { containerDeployment, processDeployment } from '../test/e2e/support/manifests.ts';
import { finish, until } from '../test/e2e/support/programs.ts';

/**
 * What a device costs while nothing happens: bytes its agent, and what that calls, write to disk (budget: 5 MB a day), bytes on
 * the wire with their headers (3 MB a month) and processor time; measured over whole periods of the keep-alive and
 * reckoned up. The pods say nothing. Only what the agent itself does is counted, so a busy machine changes little but processor time.
 *
 *   npm run bench -- bench/agent-idle.ts [keep-alive periods = 2] [pods = 0,10,50] [runtime = process]
 */
const [periods = '2', podCounts = '0,10,50', runtime = 'process'] = process.argv.slice(2);
const seconds = Number(periods) * limits.keepaliveSeconds;
/** Beyond the first look at what runs, which marks folders as read. */
const settleMs = 75_000;
const readyTimeoutMs = 300_000;
const secondsPerDay = 24 * 3600;
/** Of IPv4 and of TCP with time stamps. */
const headerBytes = 20 + 32;
const ending: (() => Promise<void>)[] = [];
if (runtime === 'oci') {
  const missing = await containersMissing();
  if (missing) throw new Error(missing);
}
try {
  await measure();
} finally {
  for (const task of ending) await task();
}

async function measure(): Promise<void> {
  const cluster = await Cluster.start({ after: (task) => void ending.push(task) });
  await cluster.addNodes(['one'], { runtime: runtime === 'oci' ? 'oci' : 'process' });
  print(['pods', 'disk MB/day', 'wire MB/month', 'packets', 'CPU %', 'load']);
  for (const pods of podCounts.split(',').map(Number)) {
    await run(cluster, pods);
    const pid = cluster.agents.get('one')?.pid ?? 0;
    await delay(settleMs);
    const before = await spent(pid);
    await delay(seconds * 1_000);
    const after = await spent(pid);
    const per = (what: keyof Spent) => (after[what] - before[what]) / seconds;
    print([
      String(pods),
      ((per('diskBytes') * secondsPerDay) / 1e6).toFixed(2),
      ((per('wireBytes') * secondsPerDay * 30) / 1e6).toFixed(2),
      String(after.packets - before.packets),
      (per('cpuSeconds') * 100).toFixed(2),
      (loadavg()[0] ?? 0).toFixed(1),
    ]);
  }
}

/** In place of the pods of the round before. */
async function run(cluster: Cluster, pods: number): Promise<void> {
  await cluster.ok(['delete', 'deployments', '--all']);
  const gone = async () => (await cluster.ok(['get', 'pods', '-o', 'name'])) === '';
  await until('pods gone', gone, { timeoutMs: readyTimeoutMs });
  if (pods === 0) return;
  const options = { replicas: pods, cpu: '1m', script: 'exec sleep 100000' };
  await cluster.apply(
    runtime === 'oci'
      ? containerDeployment('quiet', busyboxImage, options)
      : processDeployment('quiet', options),
  );
  await cluster.readyPods('quiet', pods, readyTimeoutMs);
}

interface Spent {
  diskBytes: number;
  wireBytes: number;
  packets: number;
  cpuSeconds: number;
}

/** Since the agent began. */
async function spent(pid: number): Promise<Spent> {
  // With what those of its children wrote that have ended.
  const io = await readFile(`/proc/${pid}/io`, 'utf8');
  const diskBytes = Number(/^write_bytes: (\d+)/m.exec(io)?.[1]);
  const sockets = (await finish('ss', ['-tinpHO', 'state', 'established'])).stdout.split('\n');
  const own = sockets.filter((line) => line.includes(`pid=${pid},`));
  const sum = (field: string) =>
    own.reduce((total, line) => total + Number(new RegExp(` ${field}:(\\d+)`).exec(line)?.[1] ?? 0), 0);
  const packets = sum('segs_out') + sum('segs_in');
  const wireBytes = sum('bytes_sent') + sum('bytes_received') + packets * headerBytes;
  return { diskBytes, wireBytes, packets, cpuSeconds: await cpuSecondsOf(pid) };
}

/** Of all its threads, finer than the ticks of /proc/<pid>/stat; and of the children that have ended. */
async function cpuSecondsOf(pid: number): Promise<number> {
  const threads = await readdir(`/proc/${pid}/task`);
  const spentOf = async (thread: string) =>
    Number((await readFile(`/proc/${pid}/task/${thread}/schedstat`, 'utf8')).split(' ')[0]) / 1e9;
  const own = (await Promise.all(threads.map(spentOf))).reduce((sum, one) => sum + one, 0);
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ').at(-1)?.split(' ') ?? [];
  return own + (Number(fields[13]) + Number(fields[14])) / 100;
}

function print(cells: readonly string[]): void {
  process.stdout.write(`${cells.map((cell) => cell.padStart(15)).join('')}\n`);
}
