import { readFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { Cluster } from '../test/e2e/support/cluster.ts';
import { processDeployment } from '../test/e2e/support/manifests.ts';
import { finish } from '../test/e2e/support/programs.ts';

/**
 * What a device costs while nothing happens: bytes its agent writes to disk (budget: 5 MB a day), bytes on the wire (3 MB
 * a month) and processor time, measured for some minutes and reckoned up. The pods say nothing.
 *
 *   npm run bench -- bench/agent-idle.ts [minutes = 5] [pods = 10]
 */
const minutes = Number(process.argv[2] ?? 5);
const pods = Number(process.argv[3] ?? 10);
const settleMs = 30_000;
const minutesPerDay = 24 * 60;
const ending: (() => Promise<void>)[] = [];
try {
  await measure();
} finally {
  for (const task of ending) await task();
}

async function measure(): Promise<void> {
  const cluster = await Cluster.start({ after: (task) => void ending.push(task) });
  await cluster.addNodes(['one']);
  if (pods > 0) {
    await cluster.apply(processDeployment('quiet', { replicas: pods, script: 'exec sleep 100000' }));
    await cluster.readyPods('quiet', pods);
  }
  const pid = cluster.agents.get('one')?.pid ?? 0;
  await delay(settleMs);
  const before = await spent(pid);
  await delay(minutes * 60_000);
  const after = await spent(pid);
  const perMinute = (what: keyof typeof before) => (after[what] - before[what]) / minutes;
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(2);
  const lines = [
    `${minutes} minutes, ${pods} pods, load ${loadavg()[0]?.toFixed(1)}`,
    `disk:      ${megabytes(perMinute('diskBytes') * minutesPerDay)} MB a day`,
    `wire:      ${megabytes(perMinute('wireBytes') * minutesPerDay * 30)} MB a month (payload of TCP, both ways)`,
    `processor: ${((perMinute('cpuSeconds') / 60) * 100).toFixed(2)} % of one core`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

/** Of the agent since it began. */
async function spent(pid: number): Promise<{ diskBytes: number; wireBytes: number; cpuSeconds: number }> {
  const io = await readFile(`/proc/${pid}/io`, 'utf8');
  const diskBytes = Number(/^write_bytes: (\d+)/m.exec(io)?.[1]);
  const times = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ').at(-1)?.split(' ') ?? [];
  const cpuSeconds = (Number(times[11]) + Number(times[12])) / 100;
  const sockets = (await finish('ss', ['-tinpHO', 'state', 'established'])).stdout.split('\n');
  const own = sockets.filter((line) => line.includes(`pid=${pid},`));
  const sum = (field: string) =>
    own.reduce((total, line) => total + Number(new RegExp(` ${field}:(\\d+)`).exec(line)?.[1] ?? 0), 0);
  return { diskBytes, wireBytes: sum('bytes_sent') + sum('bytes_received'), cpuSeconds };
}
