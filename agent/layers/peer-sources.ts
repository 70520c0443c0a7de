import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { type Clock, sleep } from '../../lib/clock.ts';
import type { Random } from '../../lib/random.ts';
import type { Neighbours } from '../../protocol/kinds/neighbours.ts';
import { dial } from '../link/dial.ts';
import { LinkError } from '../link/link-error.ts';
import type { BlobAnswer, BlobSource } from './fetch-blob.ts';
import type { Blob } from './image-manifest.ts';
import { LayerError } from './layer-error.ts';
import { layerPath } from './peer-server.ts';
import { deviceOf } from './verify-device.ts';

type Device = Neighbours['devices'][number];

export interface PeerSourcesOptions {
  /** PEM. */
  credentials: { key: string; cert: string; ca: string };
  clockTrusted: () => boolean;
  clock: Clock;
  random: Random;
}

export interface PeerSources {
  /** Those of these devices that are worth asking: the last who had something first, the others in any order, and none that did not answer lately. */
  of(devices: readonly Device[]): BlobSource[];
}

/** Nearby, or not at all. */
const connectMs = 2_000;
const answerMs = 10_000;
/** One that did not answer is left alone for this long. */
const restMs = 60_000;
const rememberedMax = 256;
/** One that is fetching it from afar is asked again after this, and waited for so long at most. */
const comingLookMs = 3_000;
const comingWaitMs = 5 * 60_000;

export function createPeerSources(options: PeerSourcesOptions): PeerSources {
  const { clock, random } = options;
  const restsUntilMs = new Map<string, number>();
  let lastGiver = '';
  const source = (device: Device): BlobSource => ({
    name: device.name,
    isPeer: true,
    async open(blob, { offset, signal }) {
      try {
        const answer = await awaitPeer(device, blob, { ...options, offset, signal });
        lastGiver = device.name;
        return answer;
      } catch (error) {
        if (!signal.aborted && error instanceof LayerError && error.code === 'Unreachable') {
          if (restsUntilMs.size >= rememberedMax) restsUntilMs.clear();
          restsUntilMs.set(device.name, clock.monotonic() + restMs);
        }
        throw error;
      }
    },
  });
  return {
    of(devices) {
      const now = clock.monotonic();
      return devices
        .filter(({ name }) => (restsUntilMs.get(name) ?? 0) <= now)
        .map((device) => ({ device, place: device.name === lastGiver ? -1 : random.fraction() }))
        .sort((one, other) => one.place - other.place)
        .map(({ device }) => source(device));
    },
  };
}

interface PeerAsk extends PeerSourcesOptions {
  offset: number;
  signal: AbortSignal;
}

async function awaitPeer(device: Device, blob: Blob, ask: PeerAsk): Promise<BlobAnswer> {
  const begunAtMs = ask.clock.monotonic();
  while (ask.clock.monotonic() - begunAtMs < comingWaitMs) {
    const answer = await askPeer(device, blob, ask);
    if (answer !== 'coming') return answer;
    await sleep(ask.clock, comingLookMs, ask.signal);
  }
  throw new LayerError('NotFound', `${device.name} is long about ${blob.digest}`);
}

async function askPeer(device: Device, { digest }: Blob, ask: PeerAsk): Promise<BlobAnswer | 'coming'> {
  const socket = await connectTo(device, ask);
  const path = layerPath + digest.slice('sha256:'.length);
  const range = ask.offset > 0 ? { Range: `bytes=${ask.offset}-` } : {};
  const asked = request({ path, headers: { Host: device.name, ...range }, createConnection: () => socket });
  const answer = await answerOf(asked, device, ask);
  const { statusCode } = answer;
  if (statusCode === 200) return { from: 0, body: answer };
  if (statusCode === 206) return { from: ask.offset, body: answer };
  answer.destroy();
  if (statusCode === 202) return 'coming';
  // Whoever is busy or has not got it may have the next one.
  throw new LayerError('NotFound', `${device.name} answered ${statusCode} for ${digest}`);
}

async function connectTo(device: Device, ask: PeerAsk): Promise<TLSSocket> {
  const { credentials, clock, clockTrusted, signal } = ask;
  let failure = new LayerError('Unreachable', `${device.name} has no address`);
  for (const host of device.addresses)
    try {
      return await dial({
        host,
        port: device.port,
        credentials,
        verify: (certificate) => {
          const name = deviceOf(certificate, credentials.ca, { now: clock.now(), trusted: clockTrusted() });
          if (name !== device.name)
            throw new LinkError('UntrustedServer', `${host} is not ${device.name} of this cluster`);
        },
        clock,
        timeoutMs: connectMs,
        signal,
      });
    } catch (cause) {
      signal.throwIfAborted();
      if (!(cause instanceof LinkError)) throw cause;
      failure = new LayerError('Unreachable', cause.message, { cause });
    }
  throw failure;
}

function answerOf(
  asked: ClientRequest,
  { name }: Device,
  { clock, signal }: PeerAsk,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const timer = clock.after(answerMs, () =>
    asked.destroy(new Error(`no answer within ${answerMs / 1000} s`)),
  );
  const giveUp = () => asked.destroy(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
  signal.addEventListener('abort', giveUp, { once: true });
  asked.once('close', () => signal.removeEventListener('abort', giveUp));
  asked.once('response', (answer) => {
    timer.cancel();
    resolve(answer);
  });
  asked.on('error', (cause) => {
    timer.cancel();
    reject(signal.aborted ? cause : new LayerError('Unreachable', `${name}: ${cause.message}`, { cause }));
  });
  asked.end();
  return promise;
}
