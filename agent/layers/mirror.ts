import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import type { Logger } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import { type Arrivals, countArrivals } from './count-arrivals.ts';
import { type Blob, readBlobs } from './image-manifest.ts';
import { LayerError } from './layer-error.ts';
import type { Layers } from './layers.ts';
import type { Repository } from './repository.ts';

/**
 * The distribution protocol on loopback, for an engine that is told to ask here first: manifests from the registry, with the
 * pod's log-in, and blobs by way of the layer store. What fails before the first blob fails as if there were no mirror: the
 * engine goes to the registry by itself. A blob is given when it is whole and checked.
 */
export interface Mirror extends Disposable {
  /** A repository, under a name that nobody can guess, until it is disposed. */
  open(repository: Repository): MirroredRepository;
}

export interface MirroredRepository extends Disposable {
  /** `127.0.0.1:4711/5f0c…`, for the engine's settings. */
  readonly location: string;
  readonly arrivals: Arrivals;
  /** Of what the engine has got here. */
  readonly digests: ReadonlySet<string>;
  /** Why the engine could not be given a blob; it does not say. */
  readonly failure: LayerError | undefined;
}

export interface MirrorOptions {
  layers: Pick<Layers, 'fetch' | 'store'>;
  random: Random;
  log: Logger;
}

const nameBytes = 16;

export async function openMirror(options: MirrorOptions): Promise<Mirror> {
  const { random, log } = options;
  const opened = new Map<string, Opened>();
  const server = createServer((request, response) => {
    void answer(request, response, opened, options).catch((error: unknown) => {
      log.debug('the mirror could not answer', { path: request.url, error });
      if (response.headersSent) response.destroy();
      else refuse(response, error);
    });
  });
  // An engine waits for a layer as long as it takes.
  server.requestTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  server.unref();
  const { port } = server.address() as AddressInfo;
  return {
    open(repository) {
      const name = Buffer.from(random.bytes(nameBytes)).toString('hex');
      const one = createOpened(repository, `127.0.0.1:${port}/${name}`, () => opened.delete(name));
      opened.set(name, one);
      return one;
    },
    [Symbol.dispose]: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

interface Opened extends MirroredRepository {
  readonly repository: Repository;
  /** That its manifests name. */
  readonly blobs: Map<string, Blob>;
  readonly digests: Set<string>;
  failure: LayerError | undefined;
}

function createOpened(repository: Repository, location: string, onDispose: () => void): Opened {
  return {
    repository,
    location,
    arrivals: countArrivals(),
    blobs: new Map(),
    digests: new Set(),
    failure: undefined,
    [Symbol.dispose]: onDispose,
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  opened: ReadonlyMap<string, Opened>,
  { layers }: MirrorOptions,
): Promise<void> {
  const path = (request.url ?? '').replace(/\?.*$/, '');
  if (path === '/v2/') return void response.end('{}');
  const [, name = '', kind, reference = ''] =
    /^\/v2\/([0-9a-f]+)\/(manifests|blobs)\/([^/]+)$/.exec(path) ?? [];
  const one = opened.get(name);
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  if (!one || !isRead) throw new LayerError('NotFound', 'there is nothing here');
  const gone = new AbortController();
  response.once('close', () => gone.abort(new Error('the engine has gone')));
  const { signal } = gone;
  if (kind === 'manifests') return giveManifest({ request, response, one, layers, signal }, reference);
  const blob = one.blobs.get(reference);
  if (!blob) throw new LayerError('NotFound', `no manifest that was asked for names ${reference}`);
  return giveBlob({ request, response, one, layers, signal }, blob);
}

interface Exchange extends Pick<MirrorOptions, 'layers'> {
  request: IncomingMessage;
  response: ServerResponse;
  one: Opened;
  signal: AbortSignal;
}

async function giveManifest(
  { request, response, one, layers, signal }: Exchange,
  reference: string,
): Promise<void> {
  const { accept } = request.headers;
  const { content, digest, mediaType } = await one.repository.manifest(reference, {
    signal,
    ...(accept === undefined ? {} : { accept }),
  });
  const blobs = readBlobs(content);
  const largest = Math.max(0, ...blobs.map(({ size }) => size));
  if (!(await layers.store.takes(largest)))
    throw new LayerError('NoRoom', `there is no room here for a layer of ${largest} bytes`);
  for (const blob of blobs) one.blobs.set(blob.digest, blob);
  response.writeHead(200, {
    'Content-Type': mediaType,
    'Content-Length': content.length,
    'Docker-Content-Digest': digest,
  });
  response.end(request.method === 'HEAD' ? undefined : content);
}

async function giveBlob({ request, response, one, layers, signal }: Exchange, blob: Blob): Promise<void> {
  const asked = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const offset = asked < blob.size ? asked : 0;
  const headers = {
    'Content-Type': 'application/octet-stream',
    'Content-Length': blob.size - offset,
    ...(offset > 0 ? { 'Content-Range': `bytes ${offset}-${blob.size - 1}/${blob.size}` } : {}),
  };
  if (request.method === 'HEAD') return void response.writeHead(200, headers).end();
  one.failure = undefined;
  try {
    const { onArrival } = one.arrivals;
    using layer = await layers.fetch(one.repository, blob, { signal, onArrival });
    one.digests.add(blob.digest);
    response.writeHead(offset > 0 ? 206 : 200, headers);
    await pipeline(layers.store.read(layer, offset), response);
  } catch (error) {
    if (error instanceof LayerError) one.failure = error;
    throw error;
  }
}

/** In the one form that an engine takes for final: all there was to try again has been tried. */
function refuse(response: ServerResponse, error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  response.writeHead(error instanceof LayerError && error.code === 'NotFound' ? 404 : 403, {
    'Content-Type': 'application/json',
  });
  response.end(JSON.stringify({ errors: [{ code: 'DENIED', message }] }));
}
