import type { Duplex } from 'node:stream';
import { backoffMs } from '../../lib/backoff.ts';
import { type Clock, sleep, type Timer } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import { encodeMessage } from '../../protocol/codec.ts';
import { limits as builtInLimits, type Limits } from '../../protocol/limits.ts';
import { aclFor } from '../../protocol/topics/acl.ts';
import { type Message, type TopicDefinition, topicString } from '../../protocol/topics/define-topic.ts';
import { gone } from '../../protocol/topics/sync.ts';
import { Inbox } from './inbox.ts';
import type { Link, LinkHandler, StreamLease } from './link.ts';
import { MqttConnection } from './mqtt-connection.ts';

export interface MqttLinkOptions {
  cluster: string;
  node: string;
  /** A connected, verified stream to the broker; rejects with LinkError. See `createDialer`. */
  dial(signal: AbortSignal): Promise<Duplex>;
  /**
   * Number of the last control connection before this link; the first one gets the next. Give every start of the
   * agent a range of its own (boot counter × a million), so that a will of an earlier life never looks current.
   */
  connectionsBefore?: number;
  clock: Clock;
  random: Random;
  log: Logger;
  limits?: Partial<Limits>;
}

export function createMqttLink(options: MqttLinkOptions): Link {
  return new MqttLink(options);
}

interface StreamConnection {
  connection: MqttConnection;
  over: AbortController;
}

class MqttLink implements Link {
  readonly #options: MqttLinkOptions;
  readonly #limits: Limits;
  readonly #inbox: Inbox;
  readonly #abort = new AbortController();
  readonly #connectedHandlers = new Set<(connection: number) => void>();
  readonly #disconnectedHandlers = new Set<(reason: string) => void>();
  #control: MqttConnection | undefined;
  #running: Promise<void> | undefined;
  #count: number;
  #stream: Promise<StreamConnection> | undefined;
  #openStream: MqttConnection | undefined;
  #streamLeases = 0;
  #streamIdle: Timer | undefined;

  constructor(options: MqttLinkOptions) {
    this.#options = options;
    this.#limits = { ...builtInLimits, ...options.limits };
    this.#inbox = new Inbox(options.cluster, options.log);
    this.#count = options.connectionsBefore ?? 0;
  }

  start(): void {
    this.#running ??= this.#run(this.#abort.signal);
  }

  get connected(): boolean {
    return this.#control?.isOpen ?? false;
  }

  send<D extends TopicDefinition>(topic: D, message: Message<D>, parameters: { id?: string } = {}): boolean {
    const connection = topic.connection === 'stream' ? this.#openStream : this.#control;
    if (!connection?.isOpen) return false;
    const { cluster, node } = this.#options;
    return connection.publish(
      topicString(topic, cluster, { node, ...parameters }),
      topic.qos,
      encodeMessage(topic, message),
    );
  }

  on<D extends TopicDefinition>(topic: D, handler: LinkHandler<D>): Disposable {
    return this.#inbox.on(topic, handler);
  }

  onConnected(handler: (connection: number) => void): Disposable {
    this.#connectedHandlers.add(handler);
    return { [Symbol.dispose]: () => void this.#connectedHandlers.delete(handler) };
  }

  onDisconnected(handler: (reason: string) => void): Disposable {
    this.#disconnectedHandlers.add(handler);
    return { [Symbol.dispose]: () => void this.#disconnectedHandlers.delete(handler) };
  }

  async openStreams(): Promise<StreamLease> {
    this.#streamLeases++;
    this.#streamIdle?.cancel();
    let held = true;
    const release = () => {
      if (held) this.#releaseStreams();
      held = false;
    };
    try {
      const { over } = await (this.#stream ??= this.#connectStreams());
      return { over: over.signal, [Symbol.dispose]: release };
    } catch (error) {
      release();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    this.#streamIdle?.cancel();
    const stream = await this.#stream?.catch(() => undefined);
    await Promise.all([this.#control?.end(), stream?.connection.end(), this.#running]);
  }

  /** For ever: connect, serve until the connection ends, wait, again. */
  async #run(signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      const startedAt = clock.monotonic();
      const reason = await this.#session(signal).catch((error: unknown) => {
        if (!signal.aborted) log.warn('cannot connect to the server', { error });
        return undefined;
      });
      if (reason !== undefined) log.info('disconnected from the server', { reason });
      // A connection that did not last is a failure too: two devices with one name must not chase each other at
      // full speed.
      const lasted = reason !== undefined && clock.monotonic() - startedAt >= this.#limits.reconnectMaxMs;
      failures = lasted ? 1 : failures + 1;
      const { reconnectMinMs: baseMs, reconnectMaxMs: capMs } = this.#limits;
      await sleep(clock, backoffMs(failures, { baseMs, capMs, jitter: random }), signal).catch(
        () => undefined,
      );
    }
  }

  /** One control connection; resolves with the reason for its end. */
  async #session(signal: AbortSignal): Promise<string> {
    const { cluster, node, log } = this.#options;
    this.#count++;
    const number = this.#count;
    const [payload] = encodeMessage(gone, { connection: number });
    const will = payload && { topic: topicString(gone, cluster, { node }), payload };
    const connection = await this.#connect('control', signal, will);
    if (signal.aborted) {
      await connection.end();
      return 'the link is closing';
    }
    this.#control = connection;
    log.info('connected to the server', { connection: number });
    this.#notify(this.#connectedHandlers, number);
    const reason = await connection.closed;
    this.#control = undefined;
    this.#inbox.forget();
    this.#notify(this.#disconnectedHandlers, reason);
    return reason;
  }

  async #connectStreams(): Promise<StreamConnection> {
    try {
      const connection = await this.#connect('stream', this.#abort.signal);
      const over = new AbortController();
      this.#openStream = connection;
      void connection.closed.then((reason) => {
        this.#forgetStreams(connection);
        over.abort(new Error(reason));
      });
      return { connection, over };
    } catch (error) {
      this.#stream = undefined;
      throw error;
    }
  }

  async #connect(
    kind: 'control' | 'stream',
    signal: AbortSignal,
    will?: { topic: string; payload: Uint8Array },
  ): Promise<MqttConnection> {
    const { cluster, node, clock } = this.#options;
    const stream = await this.#options.dial(signal);
    const cut = () => void stream.destroy();
    if (signal.aborted) cut();
    signal.addEventListener('abort', cut, { once: true });
    try {
      return await MqttConnection.open({
        stream,
        clientId: kind === 'control' ? node : `${node}/stream`,
        ...(will && { will }),
        subscriptions: aclFor(cluster, { connection: kind, node }).subscriptions,
        onMessage: (topic, payload) => this.#inbox.receive(topic, payload),
        clock,
        limits: this.#limits,
      });
    } finally {
      signal.removeEventListener('abort', cut);
    }
  }

  #releaseStreams(): void {
    this.#streamLeases--;
    if (this.#streamLeases > 0 || this.#abort.signal.aborted) return;
    this.#streamIdle = this.#options.clock.after(
      this.#limits.streamIdleMs,
      () => {
        const idle = this.#openStream;
        if (!idle) return;
        this.#forgetStreams(idle);
        void idle.end();
      },
      { unref: true },
    );
  }

  /** The next stream makes a new connection; a newer one than `connection` stays. */
  #forgetStreams(connection: MqttConnection): void {
    if (this.#openStream !== connection) return;
    this.#openStream = undefined;
    this.#stream = undefined;
  }

  #notify<T>(handlers: ReadonlySet<(value: T) => void>, value: T): void {
    for (const handle of handlers) {
      try {
        handle(value);
      } catch (error) {
        this.#options.log.error('a link handler failed', { error });
      }
    }
  }
}
