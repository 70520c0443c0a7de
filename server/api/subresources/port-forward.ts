import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createWebSocketStream } from 'ws';
import { AsyncQueue } from '../../../lib/async-queue.ts';
import type { Pod } from '../../../protocol/generated/models.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { StatusError } from '../../../protocol/status.ts';
import { apiLimits } from '../api-limits.ts';
import { objectName, type ResourceExchange } from '../exchange.ts';
import { SpdySession } from '../spdy/spdy-session.ts';
import type { SpdyStream } from '../spdy/spdy-stream.ts';
import { ChannelSocket } from './channel-socket.ts';
import { assignedNode } from './pod-node.ts';
import { acceptSpdy, acceptWebSocket, keepAlive, pingWebSocket, upgradeOf } from './upgrade.ts';

const spdyProtocol = 'portforward.k8s.io';
const tunnelProtocol = 'SPDY/3.1+portforward.k8s.io';
const channelProtocols = ['v4.channel.k8s.io', 'v4.base64.channel.k8s.io', ''];

/**
 * `pods/<name>/portforward`: connections to ports of a pod, as many as the client opens, over SPDY, over SPDY in a
 * WebSocket, or one for each port over a WebSocket's channels.
 */
export async function forwardPorts(exchange: ResourceExchange): Promise<void> {
  const { services, request, query } = exchange;
  const pod: Pod = await services.registry.get(podKind, objectName(exchange));
  const node = assignedNode(pod);
  if (pod.status?.phase !== 'Running')
    throw new StatusError(
      'BadRequest',
      `unable to forward port because pod is not running. Current status=${pod.status?.phase ?? 'Pending'}`,
    );
  services.podStreams.assertReachable(node);
  const forwarder = new Forwarder(exchange, { node, podUid: pod.metadata?.uid ?? '' });
  const protocol = upgradeOf(request);
  if (!protocol) throw new StatusError('BadRequest', 'Upgrade request required');
  if (protocol === 'spdy') {
    await forwarder.serveSpdy(acceptSpdy(exchange, [spdyProtocol]).transport);
    return;
  }
  const ports = query.has('ports') ? portsOf(query) : [];
  const accepted = await acceptWebSocket(exchange, [
    tunnelProtocol,
    ...(ports.length > 0 ? channelProtocols : []),
  ]);
  const { socket } = accepted;
  if (accepted.protocol === tunnelProtocol) {
    using _alive = keepAlive({ clock: services.clock, socket: request.socket }, () => pingWebSocket(socket));
    await forwarder.serveSpdy(createWebSocketStream(socket));
  } else await forwarder.serveChannels(new ChannelSocket(socket, accepted.protocol), ports);
}

/** Throws BadRequest. */
function portsOf(query: URLSearchParams): number[] {
  const words = query.getAll('ports').flatMap((text) => text.split(','));
  const ports = words.map((word) => (/^\d{1,5}$/.test(word) ? Number(word) : 0));
  const wrong = words[ports.findIndex((port) => port < 1 || port > 65_535)];
  if (wrong !== undefined)
    throw new StatusError('BadRequest', `unable to parse ${JSON.stringify(wrong)} as a port`);
  if (ports.length > apiLimits.forwardedPortsMax)
    throw new StatusError('BadRequest', `at most ${apiLimits.forwardedPortsMax} ports at a time`);
  return ports;
}

interface Pair {
  data?: SpdyStream;
  error?: SpdyStream;
}

class Forwarder {
  readonly #exchange: ResourceExchange;
  readonly #node: string;
  readonly #podUid: string;

  constructor(exchange: ResourceExchange, { node, podUid }: { node: string; podUid: string }) {
    this.#exchange = exchange;
    this.#node = node;
    this.#podUid = podUid;
  }

  /** Each connection is two streams with one request id: its data, and what went wrong. */
  async serveSpdy(transport: Duplex): Promise<void> {
    const { abort, services } = this.#exchange;
    const pairs = new Map<string, Pair>();
    const session: SpdySession = new SpdySession({
      transport,
      onStream: (stream) => this.#pair(pairs, stream),
    });
    using _open = this.#longRunning(() => session.close());
    using _alive = keepAlive({ clock: services.clock, socket: this.#exchange.request.socket }, () =>
      session.ping(),
    );
    await session.run();
    abort.abort();
  }

  /** For each port a channel of data and one for what went wrong; both begin with the port. */
  async serveChannels(channels: ChannelSocket, ports: readonly number[]): Promise<void> {
    const { abort, services } = this.#exchange;
    const { socket } = channels;
    socket.on('error', () => {});
    socket.once('close', () => abort.abort());
    using _open = this.#longRunning(() => channels.closeSoon(1001));
    using _alive = keepAlive({ clock: services.clock, socket: this.#exchange.request.socket }, () =>
      pingWebSocket(socket),
    );
    let waitingBytes = 0;
    const inputs = ports.map(
      () =>
        new AsyncQueue<Buffer>(({ length }) => {
          waitingBytes -= length;
          if (waitingBytes <= apiLimits.inputBytesMax) socket.resume();
        }),
    );
    channels.onMessage((channel, data) => {
      if (channel % 2 !== 0) return;
      waitingBytes += data.length;
      inputs[channel / 2]?.push(data);
      if (waitingBytes > apiLimits.inputBytesMax) socket.pause();
    });
    abort.signal.addEventListener('abort', () => inputs.forEach((input) => input.end()), { once: true });
    await Promise.all(
      ports.map(async (port, index) => {
        const number = Uint8Array.of(port & 0xff, port >> 8);
        await channels.send(2 * index, number);
        await channels.send(2 * index + 1, number);
        const input = inputs[index] ?? new AsyncQueue<Buffer>();
        const failure = await this.#forwardChannel(port, input, (data) => channels.send(2 * index, data));
        if (failure) await channels.send(2 * index + 1, Buffer.from(failure));
      }),
    ).catch(() => undefined);
    if (!abort.signal.aborted) channels.closeSoon(1000);
  }

  async #forwardChannel(
    port: number,
    input: AsyncIterable<Buffer>,
    send: (data: Uint8Array) => Promise<void>,
  ): Promise<string | undefined> {
    const dialed = await this.#dial(port);
    if (typeof dialed === 'string') return dialed;
    void pipeline(input, dialed, { end: true }).catch(() => {});
    try {
      for await (const data of dialed.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>)
        await send(data);
      return undefined;
    } catch {
      return undefined;
    } finally {
      dialed.destroy();
    }
  }

  #pair(pairs: Map<string, Pair>, stream: SpdyStream): boolean {
    const type = stream.headers.get('streamtype');
    const port = Number(stream.headers.get('port'));
    if ((type !== 'data' && type !== 'error') || !Number.isInteger(port) || port < 1 || port > 65_535)
      return false;
    // Clients from before request ids open the stream for errors first, and the one for data next.
    const id = stream.headers.get('requestid') ?? String(type === 'error' ? stream.id : stream.id - 2);
    const pair = pairs.get(id) ?? {};
    if (pair[type]) return false;
    pair[type] = stream;
    pairs.set(id, pair);
    stream.once('close', () => pairs.delete(id));
    const { data, error } = pair;
    if (!data || !error) return true;
    pairs.delete(id);
    void this.#forward(port, data, error);
    return true;
  }

  async #forward(port: number, data: SpdyStream, error: SpdyStream): Promise<void> {
    error.resume();
    const dialed = await this.#dial(port);
    if (typeof dialed === 'string') {
      error.end(dialed);
      data.end();
      data.resume();
      return;
    }
    data.once('close', () => dialed.destroy());
    // A connection that is reset on the way is no fault of the forwarding: clients would give all others up.
    await Promise.allSettled([pipeline(data, dialed), pipeline(dialed, data)]);
    error.end();
    data.destroy();
    dialed.destroy();
  }

  /** The connection, or why there is none. */
  async #dial(port: number): Promise<Duplex | string> {
    const { services, abort } = this.#exchange;
    const podUid = this.#podUid;
    try {
      const request = { type: 'port', podUid, port, to: 'loopback' } as const;
      return await services.podStreams.dial(this.#node, request, abort.signal);
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      return `error forwarding port ${port} to pod ${podUid}, uid : failed to connect to localhost:${port} inside the pod: ${words}`;
    }
  }

  #longRunning(leave: () => void): Disposable {
    const { abort, services } = this.#exchange;
    services.longRunning.add(abort);
    abort.signal.addEventListener('abort', leave, { once: true });
    if (services.stopping.aborted) abort.abort();
    return { [Symbol.dispose]: () => void services.longRunning.delete(abort) };
  }
}
