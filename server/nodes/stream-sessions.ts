import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { type Random, uuid } from '../../lib/random.ts';
import { limits } from '../../protocol/limits.ts';
import { StatusError } from '../../protocol/status.ts';
import {
  open,
  type StreamFrame,
  type StreamRequest,
  streamClosed,
  streamDown,
  streamUp,
} from '../../protocol/topics/streams.ts';
import type { Bus } from '../bus/bus.ts';
import { BusStream, unavailable } from './bus-stream.ts';
import { DialedStream } from './dialed-stream.ts';
import type { ExecSession, PodStreams } from './pod-streams.ts';

/** A device makes its stream connection on demand; on a slow link TLS alone takes seconds. */
const openTimeoutMs = 20_000;

export interface StreamSessionsOptions {
  bus: Bus;
  clock: Clock;
  random: Random;
  log: Logger;
}

/** Streams to devices over the bus: opened on the node's control connection, carried on its stream connection. */
export function createPodStreams(options: StreamSessionsOptions): PodStreams & Disposable {
  const sessions = new StreamSessions(options);
  const openStream = sessions.open.bind(sessions);
  return {
    assertReachable: (node) => sessions.assertReachable(node),
    async *logs(node, request, signal) {
      const stream = await openStream(node, request, signal);
      for await (const chunk of stream.output) yield chunk.data;
    },
    command: async (node, request, signal) => toExec(await openStream(node, request, signal)),
    dial: async (node, request, signal) => new DialedStream(await openStream(node, request, signal)),
    async endpoint(node, request, signal) {
      const stream = await openStream(node, request, signal);
      const { status = 200, contentType = 'text/plain' } = await stream.ready;
      return { status, contentType, body: dataOf(stream) };
    },
    [Symbol.dispose]: () => sessions[Symbol.dispose](),
  };
}

class StreamSessions implements Disposable {
  readonly #options: StreamSessionsOptions;
  readonly #streams = new Map<string, BusStream>();
  readonly #openOnNode = new Map<string, Set<BusStream>>();
  readonly #subscriptions: Disposable[];

  constructor(options: StreamSessionsOptions) {
    this.#options = options;
    const { bus } = options;
    this.#subscriptions = [
      bus.subscribe(streamUp, (frame, { node, id }) => this.#find(node, id)?.receive(frame)),
      bus.subscribe(streamClosed, (end, { node, id }) =>
        this.#find(node, id)?.receive({ type: 'close', ...end }),
      ),
      bus.onPresence(({ node, connected }) => {
        if (connected) return;
        for (const stream of this.#openOnNode.get(node) ?? [])
          stream.finish({ error: `node ${node} disconnected` });
      }),
    ];
  }

  /** Resolves when the device has begun. Throws a StatusError. */
  async open(node: string, request: StreamRequest, signal: AbortSignal): Promise<BusStream> {
    const { bus, clock } = this.#options;
    signal.throwIfAborted();
    this.assertReachable(node);
    this.#assertRoom(node);
    const id = uuid(this.#options.random);
    const stream = this.#create(id, node, signal);
    const timer = clock.after(openTimeoutMs, () =>
      stream.finish({ error: `node ${node} did not open the stream within ${openTimeoutMs / 1000} s` }),
    );
    try {
      await bus.publish(open, { node }, { id, request });
      await stream.ready;
      return stream;
    } finally {
      timer.cancel();
    }
  }

  assertReachable(node: string): void {
    if (this.#options.bus.connectedNodes().includes(node)) return;
    throw unavailable(`node ${node} is not connected; try again when \`kubectl get nodes\` shows it Ready`);
  }

  [Symbol.dispose](): void {
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]();
    for (const stream of this.#streams.values()) stream.finish({ error: 'the server is stopping' });
  }

  #assertRoom(node: string): void {
    const onNode = this.#openOnNode.get(node)?.size ?? 0;
    if (onNode >= limits.streamsPerNodeMax)
      throw new StatusError(
        'TooManyRequests',
        `node ${node} already carries ${onNode} streams (logs, exec, connections); close some first`,
      );
    if (this.#streams.size >= limits.streamsPerServerMax)
      throw new StatusError(
        'TooManyRequests',
        `the server already carries ${this.#streams.size} streams; try again when others have ended`,
      );
  }

  #create(id: string, node: string, signal: AbortSignal): BusStream {
    const { clock } = this.#options;
    const onNode = this.#openOnNode.get(node) ?? new Set();
    const stream: BusStream = new BusStream({
      node,
      clock,
      signal,
      sendFrame: (frame) => this.#send(node, id, frame),
      onFinished: () => {
        this.#streams.delete(id);
        onNode.delete(stream);
        if (onNode.size === 0) this.#openOnNode.delete(node);
      },
    });
    this.#openOnNode.set(node, onNode);
    onNode.add(stream);
    this.#streams.set(id, stream);
    return stream;
  }

  /** Nobody speaks for another node's streams. */
  #find(node: string | undefined, id: string | undefined): BusStream | undefined {
    const stream = id === undefined ? undefined : this.#streams.get(id);
    return stream?.node === node ? stream : undefined;
  }

  #send(node: string, id: string, frame: StreamFrame): void {
    const { bus, log } = this.#options;
    bus
      .publish(streamDown, { node, id }, frame)
      .catch((error: unknown) => log.warn('stream frame not sent', { node, error }));
  }
}

async function* dataOf(stream: BusStream): AsyncGenerator<Uint8Array> {
  for await (const { data } of stream.output) yield data;
}

function toExec(stream: BusStream): ExecSession {
  return {
    write: (data) => stream.write(data),
    endStdin: () => stream.endInput(),
    resize: (columns, rows) => stream.resize(columns, rows),
    output: () => stream.output,
    exit: stream.exit,
  };
}
