import type { WebSocket } from 'ws';
import { AsyncQueue } from '../../../../lib/async-queue.ts';
import { apiLimits } from '../../api-limits.ts';
import type { Exchange } from '../../exchange.ts';
import { ChannelSocket } from '../channel-socket.ts';
import { acceptWebSocket, pingWebSocket } from '../upgrade.ts';
import {
  type CommandClient,
  type EndStatus,
  LatestSize,
  terminalSize,
  type WantedStreams,
} from './command-client.ts';

/** The preferred ones first. The first versions tell failures as plain text; '' is one of them. */
const subprotocols = [
  'v5.channel.k8s.io',
  'v4.channel.k8s.io',
  'v4.base64.channel.k8s.io',
  'channel.k8s.io',
  'base64.channel.k8s.io',
  '',
];

/** source: k8s.io/apimachinery/pkg/util/remotecommand */
const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;

/** Finishes the upgrade; throws BadRequest when the client speaks none of the protocols. */
export async function acceptWebSocketClient(
  exchange: Exchange,
  wanted: WantedStreams,
): Promise<CommandClient> {
  const { socket, protocol } = await acceptWebSocket(exchange, subprotocols);
  const client = new WebSocketClient(socket, protocol);
  await client.greet(wanted);
  return client;
}

class WebSocketClient implements CommandClient {
  readonly #socket: WebSocket;
  readonly #protocol: string;
  readonly #channels: ChannelSocket;
  readonly #size = new LatestSize();
  readonly #input: AsyncQueue<Buffer>;
  #waitingBytes = 0;

  constructor(socket: WebSocket, protocol: string) {
    this.#socket = socket;
    this.#protocol = protocol;
    this.#channels = new ChannelSocket(socket, protocol);
    this.#input = new AsyncQueue(({ length }) => {
      this.#waitingBytes -= length;
      if (this.#waitingBytes <= apiLimits.inputBytesMax) socket.resume();
    });
    this.#channels.onMessage((channel, data) => this.#take(channel, data));
    socket.on('close', () => this.#input.end());
  }

  /** Clients wait for a first message before they believe that the session stands. */
  greet({ stdout }: WantedStreams): Promise<void> {
    return this.#channels.send(stdout ? channels.stdout : channels.error, new Uint8Array());
  }

  input(): AsyncIterable<Uint8Array> {
    return this.#input;
  }

  onResize(tell: (columns: number, rows: number) => void): void {
    this.#size.onResize(tell);
  }

  onGone(tell: () => void): void {
    this.#socket.once('close', tell);
    this.#socket.on('error', () => {});
    if (this.#socket.readyState === this.#socket.CLOSED) tell();
  }

  send(channel: 'stdout' | 'stderr', data: Uint8Array): Promise<void> {
    return this.#channels.send(channels[channel], data);
  }

  async finish(status: EndStatus): Promise<void> {
    const isText = !/^v[45]\./.test(this.#protocol);
    const text = status.status === 'Success' ? '' : (status.message ?? '');
    const last = isText ? text : JSON.stringify(status);
    if (last !== '') await this.#channels.send(channels.error, Buffer.from(last));
    this.#channels.closeSoon(normalClosure);
  }

  leave(): void {
    this.#channels.closeSoon(goingAway);
  }

  ping(): void {
    pingWebSocket(this.#socket);
  }

  #take(channel: number, data: Buffer): void {
    switch (channel) {
      case channels.stdin:
        if (data.length === 0) return;
        this.#waitingBytes += data.length;
        this.#input.push(data);
        if (this.#waitingBytes > apiLimits.inputBytesMax) this.#socket.pause();
        return;
      case channels.resize:
        return this.#size.set(terminalSize(data.toString()));
      case channels.close:
        if (this.#protocol.startsWith('v5.') && data[0] === channels.stdin) this.#input.end();
        return;
      default:
    }
  }
}

const normalClosure = 1000;
const goingAway = 1001;
