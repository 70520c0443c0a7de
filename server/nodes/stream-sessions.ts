import { AsyncQueue } from '../../lib/async-queue.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { type Random, uuid } from '../../lib/random.ts';
import { limits } from '../../protocol/limits.ts';
import { StatusError } from '../../protocol/status.ts';
import { ReceiveWindow, SendWindow, sendWindowed } from '../../protocol/stream-window.ts';
import {
  open,
  type StreamFrame,
  type StreamRequest,
  streamDown,
  streamUp,
} from '../../protocol/topics/streams.ts';
import type { Bus } from '../bus/bus.ts';
import type { ExecSession, PodStreams } from './pod-streams.ts';

/** A device makes its stream connection on demand; on a slow link TLS alone takes seconds. */
const openTimeoutMs = 20_000;

export interface StreamSessionsOptions {
  bus: Bus;
  clock: Clock;
  random: Random;
  log: Logger;
}

/** Streams into pods over the bus: opened on the node's control connection, carried on its stream connection. */
export function createPodStreams(options: StreamSessionsOptions): PodStreams & Disposable {
  const sessions = new Map<string, Session>();
  const openSession = (node: string, request: StreamRequest, signal: AbortSignal) =>
    Session.open({ ...options, sessions, node, request, signal });
  const subscriptions = [
    options.bus.subscribe(streamUp, (frame, { node, id }) => {
      const session = id === undefined ? undefined : sessions.get(id);
      if (session && session.node === node) session.receive(frame);
    }),
    options.bus.onPresence(({ node, connected }) => {
      if (connected) return;
      for (const session of sessions.values()) {
        if (session.node === node) session.finish({ error: `node ${node} disconnected` });
      }
    }),
  ];
  return {
    assertReachable: (node) => assertReachable(options.bus, node),
    async *logs(node, request, signal) {
      const session = await openSession(node, request, signal);
      for await (const chunk of session.output) yield chunk.data;
    },
    exec: async (node, request, signal) => (await openSession(node, request, signal)).toExec(),
    [Symbol.dispose]() {
      for (const subscription of subscriptions) subscription[Symbol.dispose]();
      for (const session of sessions.values()) session.finish({ error: 'the server is stopping' });
    },
  };
}

interface SessionOptions extends StreamSessionsOptions {
  sessions: Map<string, Session>;
  node: string;
  request: StreamRequest;
  signal: AbortSignal;
}

type OutputChunk = { channel: 'stdout' | 'stderr'; data: Uint8Array };

/** One open stream. Its life ends exactly once, in `finish`, whoever ends it. */
class Session {
  readonly node: string;
  readonly output: AsyncQueue<OutputChunk>;
  readonly #id: string;
  readonly #options: SessionOptions;
  readonly #sendWindow = new SendWindow();
  readonly #receiveWindow = new ReceiveWindow();
  readonly #ready = Promise.withResolvers<void>();
  readonly #exit = Promise.withResolvers<number>();
  #finished = false;
  readonly #onAbort = () => this.finish({ error: 'cancelled' });

  private constructor(id: string, options: SessionOptions) {
    this.#id = id;
    this.#options = options;
    this.node = options.node;
    this.output = new AsyncQueue((chunk) => {
      const bytes = this.#receiveWindow.consumed(chunk.data.length);
      if (bytes > 0) this.#send({ type: 'credit', bytes });
    });
    // Both are also told through `output`; nobody need wait for them.
    this.#exit.promise.catch(() => {});
    this.#ready.promise.catch(() => {});
  }

  static async open(options: SessionOptions): Promise<Session> {
    const { bus, clock, node, request, random, sessions, signal } = options;
    assertReachable(bus, node);
    const openOnNode = [...sessions.values()].filter((session) => session.node === node).length;
    if (openOnNode >= limits.streamsPerNodeMax) {
      throw new StatusError(
        'TooManyRequests',
        `node ${node} already carries ${openOnNode} streams; close some first`,
      );
    }
    const id = uuid(random);
    const session = new Session(id, options);
    sessions.set(id, session);
    signal.addEventListener('abort', session.#onAbort, { once: true });
    if (signal.aborted) session.#onAbort();
    const timer = clock.after(openTimeoutMs, () =>
      session.finish({ error: `node ${node} did not open the stream within ${openTimeoutMs / 1000} s` }),
    );
    try {
      await bus.publish(open, { node }, { id, request });
      await session.#ready.promise;
      return session;
    } finally {
      timer.cancel();
    }
  }

  receive(frame: StreamFrame): void {
    switch (frame.type) {
      case 'ready':
        return this.#ready.resolve();
      case 'credit':
        return this.#sendWindow.add(frame.bytes);
      case 'data':
        return this.#receiveData(frame.channel, frame.data);
      case 'close':
        return this.finish(frame, { tellDevice: false });
      case 'resize':
      case 'end':
        return;
    }
  }

  /** Ends the session; the first reason wins. */
  finish(
    end: { exitCode?: number | undefined; error?: string | undefined },
    { tellDevice = true } = {},
  ): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#options.sessions.delete(this.#id);
    this.#options.signal.removeEventListener('abort', this.#onAbort);
    if (tellDevice) this.#send({ type: 'close', error: end.error });
    if (end.error === undefined) {
      this.#ready.resolve();
      this.#exit.resolve(end.exitCode ?? 0);
      this.output.end();
      this.#sendWindow.fail(unavailable('the process has ended'));
      return;
    }
    const error = unavailable(end.error);
    this.#ready.reject(error);
    this.#exit.reject(error);
    this.output.fail(error);
    this.#sendWindow.fail(error);
  }

  toExec(): ExecSession {
    return {
      write: (data) =>
        sendWindowed(this.#sendWindow, data, (part) =>
          this.#send({ type: 'data', channel: 'stdin', data: part }),
        ),
      endStdin: () => this.#send({ type: 'end' }),
      resize: (columns, rows) => this.#send({ type: 'resize', columns, rows }),
      output: () => this.output,
      exit: this.#exit.promise,
    };
  }

  #receiveData(channel: 'stdin' | 'stdout' | 'stderr', data: Uint8Array): void {
    if (channel === 'stdin') return;
    if (this.#receiveWindow.arrived(data.length)) this.output.push({ channel, data });
    else this.finish({ error: `node ${this.node} sent more than its window` });
  }

  #send(frame: StreamFrame): void {
    const { bus, log } = this.#options;
    bus.publish(streamDown, { node: this.node, id: this.#id }, frame).catch((error: unknown) => {
      log.warn('stream frame not sent', { node: this.node, error });
    });
  }
}

function assertReachable(bus: Bus, node: string): void {
  if (bus.connectedNodes().includes(node)) return;
  throw unavailable(`node ${node} is not connected; try again when \`kubectl get nodes\` shows it Ready`);
}

function unavailable(message: string): StatusError {
  return new StatusError('ServiceUnavailable', message);
}
