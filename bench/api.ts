import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort, launcher, Running, until } from '../test/e2e/support/programs.ts';
import { connect, readTarget, type Target } from './api-load/kubernetes-connection.ts';
import {
  createConfigMaps,
  createPods,
  fillPods,
  listedNamespace,
  listPods,
  namespace,
  type Rate,
  readConfigMaps,
  readsBesideWrites,
  updateConfigMaps,
  watchOneObject,
} from './api-load/phases.ts';

/**
 * What a Kubernetes API server can carry; about two minutes. Without a kubeconfig our own server is started on an
 * empty store.
 *
 *   node bench/api.ts [--kubeconfig <path> [--pid <of the server>]] [--seconds 2] [--only <word in the line>]
 *
 * The load comes from this process, the server is another one, and both share the machine: compare ratios within
 * one machine and one hour. `kube` is kube-apiserver 1.20 with etcd on a 2-core machine.
 * FLOTILLA_BENCH_NODE_OPTIONS are the NODE_OPTIONS of the server alone, such as --cpu-prof.
 */
const { argv } = process;
const option = (name: string) => (argv.includes(name) ? argv[argv.indexOf(name) + 1] : undefined);
const seconds = Number(option('--seconds') ?? 2);
const only = option('--only') ?? '';
const podCount = 5_000;
/** By then V8 has given back what it does not use. */
const idleSeconds = 30;

const kube: Readonly<Record<string, number>> = {
  'ConfigMap creates, 1 connection': 431,
  'ConfigMap creates, 10 connections': 1_025,
  'ConfigMap creates, 50 connections': 1_807,
  'ConfigMap reads, 1 connection': 1_198,
  'ConfigMap reads, 10 connections': 3_929,
  'ConfigMap reads, 50 connections': 4_802,
  'ConfigMap updates, 1 connection': 583,
  'ConfigMap updates, 10 connections': 1_613,
  'ConfigMap updates, 50 connections': 1_553,
  'pod creates, 20 connections': 992,
};

const ending: (() => Promise<unknown>)[] = [];
try {
  const { target, pid } = await findServer();
  for (const name of [namespace, listedNamespace]) await prepareNamespace(target, name);
  await measure(target, pid);
} finally {
  for (const task of ending.reverse()) await task();
}

async function measure(target: Target, pid: number | undefined): Promise<void> {
  await printMemory('memory, idle', pid);
  const sizes = [1, 10, 50];
  const kinds = [
    ['creates', createConfigMaps],
    ['reads', readConfigMaps],
    ['updates', updateConfigMaps],
  ] as const;
  for (const [verb, run] of kinds) {
    for (const size of sizes) {
      const what = `ConfigMap ${verb}, ${size} connection${size === 1 ? '' : 's'}`;
      // Later phases use what the first creates leave.
      if (chosen(what) || what.startsWith('ConfigMap creates, 1 '))
        await printRate(what, pid, () => run(target, size, seconds));
    }
  }
  if (chosen('pod creates'))
    await printRate('pod creates, 20 connections', pid, () => createPods(target, 20, seconds));
  if (chosen('list')) await measureLists(target);
  if (chosen('watchers')) {
    const serverCpuMs = () => cpuMs(pid);
    const fan = await watchOneObject(target, 500, { seconds: 2 * seconds, serverCpuMs });
    const cpu = pid === undefined ? '' : `, ${fan.serverUs.toFixed(1)} µs CPU each`;
    print(
      '500 watchers of one object',
      `${count(fan.eventsPerSecond)} events/s${against(fan.eventsPerSecond, 21_053)}`,
      `p99 ${ms(fan.p99Ms)} (kube 63 ms)${cpu}, the load's ${fan.clientUs.toFixed(1)}`,
    );
  }
  if (chosen('beside')) {
    const rates = { readsPerSecond: 1_000, writesPerSecond: 100, seconds: 2 * seconds };
    const { perSecond, p50Ms, p99Ms } = await readsBesideWrites(target, rates);
    print(
      '1,000 reads/s beside 100 writes/s',
      `${count(perSecond)}/s`,
      `p50 ${ms(p50Ms)}, p99 ${ms(p99Ms)} (aim 50 ms)`,
    );
  }
  await printMemory('memory, after all of it', pid);
  if (only !== '') return;
  await delay(idleSeconds * 1_000);
  await printMemory(`memory, ${idleSeconds} s later`, pid);
}

async function measureLists(target: Target): Promise<void> {
  await fillPods(target, podCount);
  for (const [from, query, kubeMs] of [
    ['the store', '', 347],
    ['the cache', '?resourceVersion=0', 155],
  ] as const) {
    const { bestMs, medianMs, bytes } = await listPods(target, 5, query);
    const size = `${(bytes / 2 ** 20).toFixed(1)} MiB`;
    const ratio = `${(kubeMs / medianMs).toFixed(1)} × as fast as kube's ${kubeMs} ms`;
    print(
      `list of ${podCount} pods from ${from}`,
      `${ms(medianMs)}  ${ratio}`,
      `best ${ms(bestMs)}, ${size}`,
    );
  }
}

async function findServer(): Promise<{ target: Target; pid: number | undefined }> {
  const path = option('--kubeconfig');
  if (path !== undefined) {
    const pid = option('--pid');
    return { target: await readTarget(path), pid: pid === undefined ? undefined : Number(pid) };
  }
  const data = await mkdtemp(join(tmpdir(), 'flotilla-bench-'));
  ending.push(() => rm(data, { recursive: true, force: true, maxRetries: 5 }));
  const ports = ['--api-port', String(await freePort()), '--mqtt-port', String(await freePort())];
  const NODE_OPTIONS = process.env.FLOTILLA_BENCH_NODE_OPTIONS ?? '';
  const server = new Running(launcher, ['server', '--data', data, ...ports], {
    ...process.env,
    NODE_OPTIONS,
  });
  ending.push(() => server.kill('SIGTERM'));
  await server.saying(/Kubeconfig/);
  return { target: await readTarget(join(data, 'kubeconfig')), pid: server.pid };
}

async function prepareNamespace(target: Target, name: string): Promise<void> {
  const connection = connect(target, 1);
  const path = `/api/v1/namespaces/${name}`;
  const gone = async () => (await connection.send('GET', path, { allow: [404] })).code === 404;
  const remove = () => connection.send('DELETE', path, { allow: [404, 409] });
  if (!(await gone())) {
    await remove();
    await until('the namespace of an earlier run is gone', gone);
  }
  await connection.send('POST', '/api/v1/namespaces', { body: JSON.stringify({ metadata: { name } }) });
  // kube-apiserver refuses pods until the namespace has its service account.
  await delay(1_000);
  ending.push(async () => {
    if (option('--kubeconfig') !== undefined) await remove();
    connection.close();
  });
}

function chosen(what: string): boolean {
  return what.includes(only);
}

async function printRate(what: string, pid: number | undefined, run: () => Promise<Rate>): Promise<void> {
  const before = await cpuMs(pid);
  const { perSecond, p50Ms, p99Ms, sent } = await run();
  const cpuUs = (((await cpuMs(pid)) - before) * 1_000) / sent;
  const cpu = pid === undefined ? '' : `, ${cpuUs.toFixed(0)} µs CPU each`;
  print(
    what,
    `${count(perSecond)}/s${against(perSecond, kube[what] ?? Number.NaN)}`,
    `p50 ${ms(p50Ms)}, p99 ${ms(p99Ms)}${cpu}`,
  );
}

/** CPU time the server has used, by all its threads. It says more than a rate while others use the machine. */
async function cpuMs(pid: number | undefined): Promise<number> {
  if (pid === undefined) return 0;
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function against(figure: number, reference: number): string {
  return `  ${(figure / reference).toFixed(1)} × kube's ${count(reference)}`;
}

async function printMemory(what: string, pid: number | undefined): Promise<void> {
  if (pid === undefined) return print(what, 'unknown: give --pid', '');
  await delay(1_000);
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  const mebibytes = (field: string) => Number(new RegExp(`^${field}: +(\\d+)`, 'm').exec(text)?.[1]) / 1024;
  print(
    what,
    `RSS ${mebibytes('Rss').toFixed(0)} MiB (aim 120)`,
    `anonymous ${mebibytes('Anonymous').toFixed(0)} MiB`,
  );
}

function count(figure: number): string {
  return Math.round(figure).toLocaleString('en');
}

function ms(time: number): string {
  return `${time.toFixed(time < 10 ? 1 : 0)} ms`;
}

function print(what: string, figure: string, beside: string): void {
  process.stdout.write(`${what.padEnd(38)}${figure.padEnd(36)}${beside}\n`);
}
