import { setTimeout as delay } from 'node:timers/promises';
import { type Connection, connect, type Target } from './kubernetes-connection.ts';

/** The kinds of load that `bench/api.ts` puts on a server. Each cleans up nothing: the bench deletes its namespace. */

export const namespace = 'flotilla-bench';
const configMaps = `/api/v1/namespaces/${namespace}/configmaps`;
const pods = `/api/v1/namespaces/${namespace}/pods`;
/** Where the pods are that are listed: exactly as many as said. */
export const listedNamespace = `${namespace}-listed`;
const listedPods = `/api/v1/namespaces/${listedNamespace}/pods`;
/** A server compiles its code while it runs; what counts begins when it has. */
const warmUpSeconds = 1;

export interface Rate {
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  /** All requests, with those that do not count. */
  sent: number;
}

/** As many requests as `connections` carry, each sent when the one before it is answered. */
export async function closedLoop(
  target: Target,
  connections: number,
  seconds: number,
  send: (connection: Connection, sequence: number, worker: number) => Promise<unknown>,
): Promise<Rate> {
  const connection = connect(target, connections);
  const latencies: number[] = [];
  const counts = performance.now() + warmUpSeconds * 1_000;
  const end = counts + seconds * 1_000;
  let sequence = 0;
  await Promise.all(
    Array.from({ length: connections }, async (_, worker) => {
      for (let sent = performance.now(); sent < end; sent = performance.now()) {
        await send(connection, sequence++, worker);
        const answered = performance.now();
        if (sent >= counts && answered < end) latencies.push(answered - sent);
      }
    }),
  );
  connection.close();
  return { perSecond: latencies.length / seconds, sent: sequence, ...percentiles(latencies) };
}

export function createConfigMaps(target: Target, connections: number, seconds: number): Promise<Rate> {
  return closedLoop(target, connections, seconds, (connection, sequence) =>
    connection.send('POST', configMaps, { body: configMap(`c${connections}-${sequence}`, sequence) }),
  );
}

/** Of objects that `createConfigMaps` with one connection made. */
export function readConfigMaps(target: Target, connections: number, seconds: number): Promise<Rate> {
  return closedLoop(target, connections, seconds, (connection, sequence) =>
    connection.send('GET', `${configMaps}/c1-${sequence % 100}`),
  );
}

/** Every connection replaces an object of its own. */
export function updateConfigMaps(target: Target, connections: number, seconds: number): Promise<Rate> {
  return closedLoop(target, connections, seconds, (connection, sequence, worker) => {
    const name = `c1-${worker}`;
    return connection.send('PUT', `${configMaps}/${name}`, { body: configMap(name, sequence) });
  });
}

export function createPods(target: Target, connections: number, seconds: number): Promise<Rate> {
  return closedLoop(target, connections, seconds, (connection, sequence) =>
    connection.send('POST', pods, { body: pod(`p-${sequence}`, namespace) }),
  );
}

/** Creates the pods that `listPods` lists. */
export async function fillPods(target: Target, count: number): Promise<void> {
  const connection = connect(target, 50);
  let next = 0;
  await Promise.all(
    Array.from({ length: 50 }, async () => {
      for (let index = next++; index < count; index = next++) {
        await connection.send('POST', listedPods, { body: pod(`p-${index}`, listedNamespace) });
      }
    }),
  );
  connection.close();
}

/** How long listing all pods takes, a few times over; `query` begins with `?` or is empty. */
export async function listPods(target: Target, rounds: number, query: string) {
  const connection = connect(target, 1);
  const times: number[] = [];
  let bytes = 0;
  for (let round = 0; round < rounds; round += 1) {
    const began = performance.now();
    bytes = (await connection.send('GET', `${listedPods}${query}`)).body.length;
    times.push(performance.now() - began);
  }
  connection.close();
  times.sort((a, b) => a - b);
  return { bestMs: times[0] ?? 0, medianMs: times[Math.floor(rounds / 2)] ?? 0, bytes };
}

export interface Fan {
  eventsPerSecond: number;
  p99Ms: number;
  /** CPU time of an event for one watcher, in microseconds, of the server and of this process. */
  serverUs: number;
  clientUs: number;
}

/**
 * `watchers` connections watch one object, which is replaced again as soon as the last of them has heard of the change: the
 * backlog is one event a watcher, and a latency runs from the sending of the change to its arrival.
 */
export async function watchOneObject(
  target: Target,
  watchers: number,
  { seconds, serverCpuMs }: { seconds: number; serverCpuMs: () => Promise<number> },
): Promise<Fan> {
  const name = 'watched';
  const path = `${configMaps}?watch=1&fieldSelector=metadata.name%3D${name}`;
  const writer = connect(target, 1);
  const listeners = connect(target, 1);
  await writer.send('POST', configMaps, { body: configMap(name, 0) });
  const latencies: number[] = [];
  let sent = 0;
  let heard = 0;
  let wake = () => {};
  const hear = (events: number) => {
    for (let event = 0; event < events; event += 1) latencies.push(performance.now() - sent);
    heard += events;
    if (heard >= watchers) wake();
  };
  await eachWithin(20, watchers, () => {
    const frames = frameCounter();
    return listeners.watch(path, (bytes) => hear(frames(bytes)));
  });
  await delay(500);
  latencies.length = 0;
  const cpuBefore = [await serverCpuMs(), ownCpuMs()] as const;
  const began = performance.now();
  for (let round = 1; performance.now() < began + seconds * 1_000; round += 1) {
    heard = 0;
    const everybody = new Promise<void>((resolve) => {
      wake = resolve;
    });
    sent = performance.now();
    await writer.send('PUT', `${configMaps}/${name}`, { body: configMap(name, round) });
    await everybody;
  }
  const elapsed = (performance.now() - began) / 1_000;
  const cpuAfter = [await serverCpuMs(), ownCpuMs()] as const;
  writer.close();
  listeners.close();
  const events = latencies.length;
  return {
    eventsPerSecond: events / elapsed,
    p99Ms: percentiles(latencies).p99Ms,
    serverUs: ((cpuAfter[0] - cpuBefore[0]) * 1_000) / events,
    clientUs: ((cpuAfter[1] - cpuBefore[1]) * 1_000) / events,
  };
}

function ownCpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** Reads and writes at fixed rates, whatever the server's pace; a latency counts from when the request was due. */
export async function readsBesideWrites(
  target: Target,
  rates: { readsPerSecond: number; writesPerSecond: number; seconds: number },
): Promise<Rate> {
  const connection = connect(target, 100);
  const latencies: number[] = [];
  const failures: unknown[] = [];
  const waiting = new Set<Promise<unknown>>();
  const began = performance.now();
  // The first requests open the connections.
  const counts = began + 2 * warmUpSeconds * 1_000;
  const pace = async (perSecond: number, send: (sequence: number) => Promise<unknown>, kept?: number[]) => {
    for (let sequence = 0; sequence < perSecond * (rates.seconds + 2 * warmUpSeconds); sequence += 1) {
      const due = began + (sequence * 1_000) / perSecond;
      const early = due - performance.now();
      if (early > 0) await delay(early);
      const answer = send(sequence).then(
        () => due >= counts && kept?.push(performance.now() - due),
        (error: unknown) => failures.push(error),
      );
      waiting.add(answer);
      void answer.then(() => waiting.delete(answer));
    }
    return (performance.now() - counts) / 1_000;
  };
  const [elapsed] = await Promise.all([
    pace(rates.readsPerSecond, () => connection.send('GET', `${configMaps}/c1-7`), latencies),
    pace(rates.writesPerSecond, (sequence) => {
      const name = `c1-${10 + (sequence % 50)}`;
      return connection.send('PUT', `${configMaps}/${name}`, { body: configMap(name, sequence) });
    }),
  ]);
  await Promise.all(waiting);
  connection.close();
  if (failures.length > 0) throw failures[0];
  return { perSecond: latencies.length / elapsed, sent: latencies.length, ...percentiles(latencies) };
}

async function eachWithin(limit: number, count: number, work: () => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next++ < count) await work();
  };
  await Promise.all(Array.from({ length: limit }, worker));
}

/** Counts the frames of one watch: a frame ends in a bare line feed, the lines of HTTP's framing in CR LF. */
function frameCounter(): (bytes: Buffer) => number {
  const [lineFeed, carriageReturn] = [0x0a, 0x0d];
  let last: number | undefined;
  return (bytes) => {
    let count = 0;
    for (let at = bytes.indexOf(lineFeed); at >= 0; at = bytes.indexOf(lineFeed, at + 1))
      if ((at > 0 ? bytes[at - 1] : last) !== carriageReturn) count += 1;
    last = bytes.at(-1);
    return count;
  };
}

function configMap(name: string, sequence: number): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace },
    data: { sequence: String(sequence), text: 'x'.repeat(200) },
  });
}

/** For a scheduler that does not exist: it costs what storing and telling it costs, and nobody acts on it. */
function pod(name: string, namespace: string): string {
  const image = 'registry.example.dev/web:1.27';
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { app: 'web' } },
    spec: { schedulerName: 'nobody', containers: [{ name: 'web', image, command: ['sleep', '1000'] }] },
  });
}

export function percentiles(times: number[]): { p50Ms: number; p99Ms: number } {
  const sorted = Float64Array.from(times).sort();
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { p50Ms: at(0.5), p99Ms: at(0.99) };
}
