import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { parse } from 'yaml';
import { openApiClient } from '../../cli/api-client.ts';
import { Cluster } from './support/cluster.ts';
import { until } from './support/programs.ts';

/** FLOTILLA_IDLE_WATCHES=10000 runs it at full size, in about a minute. */
const watches = Number(process.env.FLOTILLA_IDLE_WATCHES ?? 1_000);
const perAddress = 1_000;
/** What a watch may take of the server's memory: its TLS connection takes 80 KiB of Node, the watch itself about 15. */
const bytesPerWatchMax = 128 * 1024;
/** The server's own breathing while it serves. */
const spareBytes = 48 * 1024 * 1024;

test(`${watches} idle watches take bounded memory, keep nobody from being answered, and all hear of a change`, async (context) => {
  const cluster = await Cluster.start(context);
  const client = await openApiClient(cluster.kubeconfig);
  const configMaps = '/api/v1/namespaces/default/configmaps';
  await client.request('POST', configMaps, { metadata: { name: 'watched' } });
  const before = await residentBytes(cluster);

  const watchers = await openWatches(cluster, `${configMaps}?watch=1&fieldSelector=metadata.name%3Dwatched`);
  context.after(async () => watchers.sockets.forEach((socket) => socket.destroy()));
  await until('everybody has the object', () => watchers.heardAtLeast(1), { timeoutMs: 60_000 });
  assert.equal(await openWatchesSeen(cluster), watches);
  const taken = (await residentBytes(cluster)) - before;
  assert.ok(taken < watches * bytesPerWatchMax + spareBytes, `${taken / watches} bytes a watch`);

  await Promise.all(Array.from({ length: 50 }, () => client.request('GET', configMaps)));

  await client.request('PUT', `${configMaps}/watched`, { metadata: { name: 'watched' }, data: { a: 'b' } });
  await until('everybody hears of the change', () => watchers.heardAtLeast(2), { timeoutMs: 30_000 });

  for (const socket of watchers.sockets) socket.destroy();
  await until('no watch is left', async () => (await openWatchesSeen(cluster)) === 0, { timeoutMs: 30_000 });
});

/** Raw connections: this process shall not be what gives in. */
async function openWatches(cluster: Cluster, path: string) {
  const { clusters, users } = parse(await readFile(cluster.kubeconfig, 'utf8')) as {
    clusters: { cluster: Record<string, string> }[];
    users: { user: Record<string, string> }[];
  };
  const pem = (base64 = '') => Buffer.from(base64, 'base64').toString();
  const options = {
    host: '127.0.0.1',
    port: cluster.apiPort,
    ca: pem(clusters[0]?.cluster['certificate-authority-data']),
    cert: pem(users[0]?.user['client-certificate-data']),
    key: pem(users[0]?.user['client-key-data']),
  };
  const sockets: TLSSocket[] = [];
  const heard: number[] = [];
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < watches; index = next++) {
      const own = { ...options, localAddress: `127.0.0.${2 + Math.floor(index / perAddress)}` };
      const socket = connect(own);
      sockets.push(socket);
      heard[index] = 0;
      await new Promise((resolve, reject) => {
        socket.once('secureConnect', resolve);
        socket.once('error', reject);
      });
      socket.on('error', () => {});
      socket.on('data', (chunk: Buffer) => {
        if (chunk.includes('"type":')) heard[index] = (heard[index] ?? 0) + 1;
      });
      socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
    }
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  return { sockets, heardAtLeast: (count: number) => heard.every((events) => events >= count) };
}

async function openWatchesSeen(cluster: Cluster): Promise<number> {
  const text = await cluster.ok(['get', '--raw', '/metrics']);
  const line = /^apiserver_longrunning_requests\{verb="WATCH",.*resource="configmaps".*\} (\d+)$/m.exec(text);
  return Number(line?.[1] ?? 0);
}

async function residentBytes(cluster: Cluster): Promise<number> {
  const text = await readFile(`/proc/${cluster.server?.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+)/m.exec(text)?.[1]) * 1024;
}
