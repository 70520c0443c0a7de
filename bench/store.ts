/** What the store costs: npm run bench -- bench/store.ts [directory]. The figures are of this disk; compare ratios. */
import { mkdtempDisposable, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { systemClock } from '../lib/clock.ts';
import { silentLogger } from '../lib/log.ts';
import { openLevelStore } from '../server/store/level-store.ts';
import type { Operation, Store } from '../server/store/store.ts';

const secondsPerRun = 1.5;
const objects = 10_000;
const listed = 5_000;
const watchers = 500;
const bindings = 20_000;

await using folder = await mkdtempDisposable(join(process.argv[2] ?? tmpdir(), 'flotilla-bench-'));
const open = (name: string) =>
  openLevelStore({ directory: join(folder.path, name), clock: systemClock, log: silentLogger });
const rows: [string, string][] = [];
const row = (what: string, figure: string) => rows.push([what, figure]);

await benchWrites();
await benchReads();
await benchWatch();
const width = Math.max(...rows.map(([what]) => what.length));
for (const [what, figure] of rows) console.log(`${what.padEnd(width)}  ${figure}`);

async function benchWrites(): Promise<void> {
  const raw = await rawWritesPerSecond();
  row('LevelDB itself, one 2 kB put a sync', perSecond(raw));
  for (const writers of [1, 10, 50, 500]) {
    await using store = await open(`writes-${writers}`);
    const { rate, worstMs } = await updatesPerSecond(store, writers);
    const ratio = `${(rate / raw).toFixed(1)} of LevelDB's`;
    row(
      `durable 2 kB updates, ${writers} writers`,
      `${perSecond(rate)}  ${ratio}, p99 ${worstMs.toFixed(1)} ms`,
    );
  }
}

async function rawWritesPerSecond(): Promise<number> {
  const path = join(folder.path, 'raw');
  const database = new ClassicLevel<string, Uint8Array>(path, { valueEncoding: 'view' });
  await database.open();
  let count = 0;
  const start = performance.now();
  while (performance.now() - start < secondsPerRun * 1_000) {
    await database.put(`pods/${count % 1_000}`, podBytes(count++), { sync: true });
  }
  const seconds = (performance.now() - start) / 1_000;
  await database.close();
  await rm(path, { recursive: true });
  return count / seconds;
}

/** Each writer reads an object and writes it back, as a status update does. */
async function updatesPerSecond(store: Store, writers: number): Promise<{ rate: number; worstMs: number }> {
  const latencies: number[] = [];
  const end = performance.now() + secondsPerRun * 1_000;
  const write = async (writer: number) => {
    const keys = Array.from({ length: 20 }, (_, at) => `pods/default/w${writer}-${at}`);
    for (let round = 0; performance.now() < end; round++) {
      const key = keys[round % keys.length] ?? '';
      const entry = await store.get(key);
      const value = podBytes(round);
      const sent = performance.now();
      await (entry ? store.update(key, value, entry.revision) : store.create(key, value));
      latencies.push(performance.now() - sent);
    }
  };
  await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
  latencies.sort((left, right) => left - right);
  return {
    rate: latencies.length / secondsPerRun,
    worstMs: latencies[Math.floor(latencies.length * 0.99)] ?? 0,
  };
}

async function benchReads(): Promise<void> {
  const seed = await open('reads');
  await load(seed, objects);
  await seed.compact(seed.revision);
  await seed[Symbol.asyncDispose]();
  globalThis.gc?.();
  const rssBefore = process.memoryUsage.rss();
  const [startMs, store] = await timed(() => open('reads'));
  const rss = (process.memoryUsage.rss() - rssBefore) / 2 ** 20;
  row(`start with ${objects} objects`, `${startMs.toFixed(0)} ms, ${rss.toFixed(0)} MiB more memory`);
  const [coldMs] = await timed(() => store.list('pods/', { limit: listed }));
  const [warmMs] = await timed(() => store.list('pods/', { limit: listed }));
  row(`list of ${listed}`, `${coldMs.toFixed(0)} ms cold, ${warmMs.toFixed(0)} ms warm`);
  const { revision } = store;
  await Promise.all(Array.from({ length: 100 }, (_, at) => store.delete(podKey(at * 7))));
  const [oldMs] = await timed(() => store.list('pods/', { limit: listed, revision }));
  row(`list of ${listed}, 100 changes ago`, `${oldMs.toFixed(0)} ms`);
  const [countMs] = await timed(async () => {
    for (let at = 0; at < 1_000; at++) await store.count('pods/');
  });
  row(`count of ${objects}`, `${countMs.toFixed(1)} µs`);
  const [getMs] = await timed(async () => {
    for (let at = 0; at < 5_000; at++) await store.get(podKey(at));
  });
  row('get', `${((getMs / 5_000) * 1_000).toFixed(1)} µs`);
  const [compactMs] = await timed(() => store.compact(store.revision));
  row('compaction of 100 deletions', `${compactMs.toFixed(1)} ms`);
  await store[Symbol.asyncDispose]();
}

/** Pods bound one by one, by 50 at a time, while every node watches its own and some watch all. */
async function benchWatch(): Promise<void> {
  await using store = await open('watch');
  const [plainMs] = await timed(() => bindAll(store, 0));
  const stop = new AbortController();
  const seen = { events: 0 };
  const follow = async (prefix: string) => {
    for await (const { events } of store.watch(prefix, store.revision, stop)) seen.events += events.length;
  };
  const ended = Array.from({ length: watchers }, (_, at) => follow(`pods/node-${at}/`));
  const [watchedMs] = await timed(() => bindAll(store, 1));
  stop.abort();
  await Promise.all(ended);
  row(`${bindings} bindings, nobody watches`, perSecond(bindings / (plainMs / 1_000)));
  row(`… ${watchers} watch one node each`, perSecond(bindings / (watchedMs / 1_000)));
  const all = new AbortController();
  let told = 0;
  let done = () => {};
  const everybody = new Promise<void>((resolve) => (done = resolve));
  const target = watchers * 1_000;
  const following = Array.from({ length: watchers }, async () => {
    for await (const { events } of store.watch('pods/', store.revision, all)) {
      told += events.length;
      if (told >= target) done();
    }
  });
  const [fanMs] = await timed(async () => {
    await Promise.all(Array.from({ length: 1_000 }, (_, at) => store.create(`pods/fan/${at}`, podBytes(at))));
    await everybody;
  });
  all.abort();
  await Promise.all(following);
  row(`1,000 events to ${watchers} watchers of all`, `${fanMs.toFixed(0)} ms`);
}

async function bindAll(store: Store, round: number): Promise<void> {
  let next = 0;
  const bind = async () => {
    for (let at = next++; at < bindings; at = next++) {
      await store.create(`pods/node-${at % watchers}/${round}-${at}`, podBytes(at));
    }
  };
  await Promise.all(Array.from({ length: 50 }, bind));
}

async function load(store: Store, count: number): Promise<void> {
  for (let at = 0; at < count; at += 250) {
    const puts = Array.from(
      { length: 250 },
      (_, by): Operation => ({ type: 'put', key: podKey(at + by), value: podBytes(at + by) }),
    );
    await store.txn([], puts);
  }
}

function podKey(at: number): string {
  return `pods/namespace-${at % 10}/web-${String(at).padStart(6, '0')}`;
}

/** About as long and as compressible as a pod in JSON. */
function podBytes(at: number): Uint8Array {
  const noise = Array.from({ length: 12 }, (_, by) => ((at + 1) * (by + 7) * 2_654_435_761).toString(36));
  const container = {
    name: 'web',
    image: 'registry.example.dev/web:1.27',
    resources: { limits: { memory: '64Mi' } },
  };
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { uid: noise },
    spec: { containers: Array.from({ length: 12 }, () => container) },
  };
  return Buffer.from(JSON.stringify({ ...pod, pad: noise.join('').repeat(3) }));
}

async function timed<T>(run: () => Promise<T>): Promise<[number, T]> {
  const start = performance.now();
  const result = await run();
  return [performance.now() - start, result];
}

function perSecond(rate: number): string {
  return `${Math.round(rate)}/s`.padStart(8);
}
