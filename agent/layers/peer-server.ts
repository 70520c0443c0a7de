import type { ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import type { TLSSocket } from 'node:tls';
import { type Clock, sleep } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { LayerStore } from './layer-store.ts';
import { deviceOf } from './verify-device.ts';

export interface PeerServerOptions {
  /** PEM. */
  credentials: { key: string; cert: string; ca: string };
  clockTrusted: () => boolean;
  clock: Clock;
  log: Logger;
  store: LayerStore;
  /** Wanted; another one when somebody else has it, and any when 0. */
  port: number;
}

export interface PeerServer extends Disposable {
  readonly port: number;
}

/** `GET /layers/<64 hex digits>`; 202 for one that is coming from a registry and will be here. */
export const layerPath = '/layers/';
const connectionsMax = 16;
/** For whoever holds a place and says or takes nothing. */
const idleMs = 10_000;
const transfersMax = 3;
/** For all transfers together: a device's own work goes before its neighbours'. */
const bytesPerSecondMax = 8 * 1024 * 1024;

/**
 * Gives whole layers to devices of this cluster that know their digest, by TLS with the cluster's certificates on both sides;
 * to everybody else nothing.
 */
export async function openPeerServer(options: PeerServerOptions): Promise<PeerServer> {
  const { credentials, clock, log } = options;
  const ended = new AbortController();
  const pace = createPace(clock, ended.signal);
  let transfers = 0;
  const server = createServer(
    {
      ...credentials,
      requestCert: true,
      // `deviceOf` decides. A resumed session would show no certificate.
      rejectUnauthorized: false,
      sessionTimeout: 0,
      handshakeTimeout: idleMs,
      requestTimeout: idleMs,
      minVersion: 'TLSv1.3',
    },
    (request, response) => {
      const certificate = (request.socket as TLSSocket).getPeerX509Certificate();
      const time = { now: clock.now(), trusted: options.clockTrusted() };
      if (deviceOf(certificate, credentials.ca, time) === undefined) return request.socket.destroy();
      if (request.method !== 'GET' || !request.url?.startsWith(layerPath)) return end(response, 404);
      if (transfers >= transfersMax) return end(response, 503);
      transfers += 1;
      const digest = `sha256:${request.url.slice(layerPath.length)}`;
      const offset = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
      void give(response, { ...options, digest, offset, pace })
        .catch((error: unknown) => {
          log.debug('a layer could not be given', { digest, error });
          response.destroy();
        })
        .finally(() => (transfers -= 1));
    },
  );
  server.maxConnections = connectionsMax;
  server.setTimeout(idleMs);
  server.on('tlsClientError', (error) => log.debug('a neighbour could not connect', { error }));
  await listen(server, options.port);
  server.unref();
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.dispose]: () => {
      ended.abort(new Error('the agent is stopping'));
      server.closeAllConnections();
      server.close();
    },
  };
}

interface Giving extends Pick<PeerServerOptions, 'store'> {
  digest: string;
  offset: number;
  pace: (bytes: number) => Promise<void>;
}

async function give(response: ServerResponse, { store, digest, offset, pace }: Giving): Promise<void> {
  using layer = store.hold(digest);
  if (!layer) return end(response, store.isArriving(digest) ? 202 : 404);
  if (offset > layer.sizeBytes) return end(response, 404);
  const { sizeBytes } = layer;
  response.writeHead(offset > 0 ? 206 : 200, {
    'Content-Type': 'application/octet-stream',
    'Content-Length': sizeBytes - offset,
    ...(offset > 0 ? { 'Content-Range': `bytes ${offset}-${sizeBytes - 1}/${sizeBytes}` } : {}),
  });
  async function* paced() {
    if (!layer) return;
    for await (const chunk of store.read(layer, offset)) {
      await pace(chunk.length);
      yield chunk;
    }
  }
  await pipeline(paced(), response);
}

/** Waits so that all who wait here together get no more than the limit. */
function createPace(clock: Clock, signal: AbortSignal): (bytes: number) => Promise<void> {
  let freeAtMs = 0;
  return async (bytes) => {
    const now = clock.monotonic();
    const begins = Math.max(now, freeAtMs);
    freeAtMs = begins + (bytes / bytesPerSecondMax) * 1000;
    if (begins > now) await sleep(clock, begins - now, signal);
  };
}

async function listen(server: ReturnType<typeof createServer>, port: number): Promise<void> {
  const attempt = (wanted: number) =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(wanted, () => {
        server.off('error', reject);
        resolve();
      });
    });
  await attempt(port).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    return attempt(0);
  });
}

function end(response: ServerResponse, status: number): void {
  response.writeHead(status).end();
}
