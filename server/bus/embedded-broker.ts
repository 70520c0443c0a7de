import type { Duplex } from 'node:stream';
import { Aedes, type AedesOptions, type Client } from 'aedes';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { encodeMessage } from '../../protocol/codec.ts';
import { limits as builtInLimits, type Limits } from '../../protocol/limits.ts';
import type { Message, TopicDefinition, TopicParameters } from '../../protocol/topics/define-topic.ts';
import { topicString } from '../../protocol/topics/define-topic.ts';
import { clientIdOf, type Identity } from './admission.ts';
import { type Authenticator, createBrokerHooks } from './broker-hooks.ts';
import type { Bus, BusHandler, Presence } from './bus.ts';
import { Dispatcher } from './dispatcher.ts';
import { Listeners } from './listeners.ts';
import { guardReads } from './packet-guard.ts';
import { Session } from './session.ts';
import { listenTls, type ServerTls, type TlsListener } from './tls-listener.ts';

export interface EmbeddedBrokerOptions {
  cluster: string;
  authenticator: Authenticator;
  clock: Clock;
  log: Logger;
  /** Where to take connections; without it only `attach` makes any. */
  listen?: { tls: ServerTls; bind: string /** 0 takes a free one. */; port: number };
  /** Overrides of the built-in limits. */
  limits?: Partial<Limits>;
}

/**
 * The bus on aedes, inside the server's process (docs/ARCHITECTURE.md, the bus).
 *
 * Devices talk to the server only, never to each other, so messages do not pass through aedes' shared emitter, in
 * which one slow subscriber holds up all: what comes up goes from the publish check straight to the server's
 * handlers, in order of arrival, and what goes down is written to the one client that it is for, from that client's
 * own queue.
 */
export interface EmbeddedBroker extends Bus {
  /** 0 when it does not listen. */
  readonly port: number;
  /** Whether it takes connections from outside. */
  readonly listening: boolean;
  useCertificate(tls: ServerTls): void;
  /** Since the start; a message is one MQTT publish. */
  traffic(): BusTraffic;
  /** Takes an in-memory connection of a device whose identity is known; `stream` is the broker's end. */
  attach(stream: Duplex, identity: { node: string } | 'anonymous'): void;
}

export interface BusTraffic {
  received: { messages: number; bytes: number };
  sent: { messages: number; bytes: number };
  /** Did not decode or fit its schema; or was not sent because too much is waiting. */
  dropped: { undecodable: number; overflow: number };
}

/** Rejects as `listen` does, e.g. EADDRINUSE. */
export async function startEmbeddedBroker(options: EmbeddedBrokerOptions): Promise<EmbeddedBroker> {
  const broker = new AedesBus(options);
  await broker.start();
  return broker;
}

class AedesBus implements EmbeddedBroker {
  readonly cluster: string;
  readonly #options: EmbeddedBrokerOptions;
  readonly #limits: Limits;
  readonly #log: Logger;
  readonly #aedes: Aedes;
  readonly #dispatcher: Dispatcher;
  readonly #presence: Listeners<Presence>;
  readonly #sessions = new WeakMap<object, Session>();
  /** Every connection, also those that have not said who they are. */
  readonly #open = new Set<Session>();
  /**
   * By client id. aedes has such a map too, but loses a client from it that reconnects while its old connection
   * closes.
   */
  readonly #connected = new Map<string, Session>();
  readonly #outbound = { bytes: 0 };
  readonly #sent = { messages: 0, bytes: 0 };
  #overflowed = 0;
  #listener: TlsListener | undefined;
  #closing = false;

  constructor(options: EmbeddedBrokerOptions) {
    this.#options = options;
    this.cluster = options.cluster;
    this.#limits = { ...builtInLimits, ...options.limits };
    this.#log = options.log;
    this.#dispatcher = new Dispatcher(options.log);
    this.#presence = new Listeners(options.log);
    this.#aedes = new Aedes(this.#aedesOptions());
  }

  async start(): Promise<void> {
    this.#listenToAedes();
    await this.#aedes.listen();
    const { listen } = this.#options;
    if (!listen) return;
    try {
      this.#listener = await listenTls({
        ...listen,
        limits: this.#limits,
        log: this.#log,
        onConnection: (socket, identity, address, onKnown) =>
          this.#accept(socket, identity, { address, onKnown }),
      });
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    }
  }

  get listening(): boolean {
    return this.#listener !== undefined && !this.#closing;
  }

  get port(): number {
    return this.#listener?.port ?? 0;
  }

  useCertificate(tls: ServerTls): void {
    this.#listener?.useCertificate(tls);
  }

  attach(stream: Duplex, identity: { node: string } | 'anonymous'): void {
    this.#accept(
      stream,
      identity === 'anonymous'
        ? { type: 'anonymous' }
        : { type: 'device', node: identity.node, publicKeyHash: '' },
    );
  }

  async publish<D extends TopicDefinition>(
    topic: D,
    parameters: TopicParameters,
    message: Message<D>,
  ): Promise<void> {
    const target = topicString(topic, this.cluster, parameters);
    const payloads = encodeMessage(topic, message).map((payload) => ({
      topic: target,
      qos: topic.qos,
      payload,
    }));
    for (const session of this.#receivers(topic, target, parameters)) {
      if (session.outbox.push(payloads)) {
        this.#sent.messages += payloads.length;
        for (const { payload } of payloads) this.#sent.bytes += payload.length;
        continue;
      }
      this.#overflowed += 1;
      this.#log.warn('a message was dropped: too much is waiting', { topic: target });
    }
  }

  traffic(): BusTraffic {
    const { received, undecodable } = this.#dispatcher;
    return { received, sent: this.#sent, dropped: { undecodable, overflow: this.#overflowed } };
  }

  subscribe<D extends TopicDefinition>(topic: D, handler: BusHandler<D>): Disposable {
    return this.#dispatcher.subscribe(topic, handler);
  }

  onPresence(handler: (presence: Presence) => void): Disposable {
    return this.#presence.add(handler);
  }

  connectedNodes(): readonly string[] {
    return [...this.#connected.values()].flatMap(({ peer, ready }) =>
      peer?.connection === 'control' && ready ? [peer.node] : [],
    );
  }

  disconnect(node: string): void {
    for (const session of this.#open) {
      if (session.peer?.connection !== 'join' && session.peer?.node === node)
        session.cut('disconnected by the server');
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    this.#dispatcher.close();
    this.#presence.clear();
    const closed = new Promise<void>((resolve) => this.#aedes.close(() => resolve()));
    for (const session of this.#open) session.stream.destroy();
    await Promise.all([closed, this.#listener?.[Symbol.asyncDispose]()]);
  }

  #aedesOptions(): AedesOptions {
    const limits = this.#limits;
    return {
      connectTimeout: limits.connectTimeoutMs,
      drainTimeout: limits.drainTimeoutMs,
      keepaliveLimit: limits.keepaliveSecondsMax,
      ...createBrokerHooks({
        cluster: this.cluster,
        limits,
        authenticator: this.#options.authenticator,
        dispatcher: this.#dispatcher,
        sessionOf: (client) => this.#sessions.get(client.conn),
        isClosing: () => this.#closing,
        onRefused: (session, reason) => this.#report('refused', session, reason),
      }),
    };
  }

  #listenToAedes(): void {
    const aedes = this.#aedes;
    // Without a listener aedes' own background work could end the process.
    (aedes as NodeJS.EventEmitter).on('error', (error: unknown) =>
      this.#log.error('the broker failed', { error }),
    );
    aedes.on('clientError', (client, error) =>
      this.#log.debug('connection failed', { client: client.id, error }),
    );
    aedes.on('connectionError', (_client, error) => this.#log.debug('connection failed', { error }));
    aedes.on('clientReady', (client) => this.#connect(client));
    aedes.on('subscribe', (_subscriptions, client) => this.#subscribed(client));
    aedes.on('unsubscribe', (filters, client) => {
      const session = this.#sessions.get(client.conn);
      for (const filter of filters) session?.filters.delete(filter);
    });
  }

  #accept(stream: Duplex, identity: Identity, remote: { address?: string; onKnown?: () => void } = {}): void {
    if (this.#closing) {
      stream.destroy();
      return;
    }
    const session = new Session({
      stream,
      identity,
      ...remote,
      limits: this.#limits,
      clock: this.#options.clock,
      outbound: this.#outbound,
      onCut: (cut, reason) => this.#report('cut', cut, reason),
    });
    this.#sessions.set(stream, session);
    this.#open.add(session);
    stream.once('close', () => this.#close(session));
    guardReads(stream, session.guard, (violation) => session.cut(violation));
    this.#aedes.handle(stream);
  }

  #connect(client: Client): void {
    const session = this.#sessions.get(client.conn);
    const { clientId } = session ?? {};
    if (!session || clientId === undefined) return client.close();
    session.begin(client);
    const former = this.#connected.get(clientId);
    this.#connected.set(clientId, session);
    if (!former || former === session) return;
    this.#leave(former);
    former.cut('replaced by a new connection');
  }

  #subscribed(client: Client): void {
    const session = this.#sessions.get(client.conn);
    if (!session || session.ready || !session.hasEssentialFilters()) return;
    session.ready = true;
    if (session.peer?.connection !== 'control') return;
    this.#presence.emit({ node: session.peer.node, connected: true });
  }

  #close(session: Session): void {
    session.close();
    this.#open.delete(session);
    const { clientId } = session;
    if (clientId === undefined || this.#connected.get(clientId) !== session) return;
    this.#connected.delete(clientId);
    this.#dispatcher.forget(clientId);
    this.#leave(session);
  }

  #leave(session: Session): void {
    const { peer, ready } = session;
    session.ready = false;
    if (ready && peer?.connection === 'control') this.#presence.emit({ node: peer.node, connected: false });
  }

  #receivers(topic: TopicDefinition, target: string, parameters: TopicParameters): Session[] {
    if (topic.way === 'up') throw new TypeError(`topic ${topic.name} is published by devices`);
    if (topic.way === 'all') {
      return [...this.#connected.values()].filter((session) => isSubscribed(session, target));
    }
    const session = this.#connected.get(receiverId(topic, parameters));
    return session && isSubscribed(session, target) ? [session] : [];
  }

  #report(what: 'cut' | 'refused', session: Session, reason: string): void {
    if (this.#closing) return;
    this.#log.debug(`connection ${what}`, { client: session.clientId, address: session.address, reason });
  }
}

function receiverId(topic: TopicDefinition, { node = '', id = '' }: TopicParameters): string {
  return clientIdOf(
    topic.connection === 'join' ? { connection: 'join', id } : { connection: topic.connection, node },
  );
}

function isSubscribed(session: Session, topic: string): boolean {
  return session.filters.has(topic) || session.filters.has(topic.replace(/[^/]+$/, '+'));
}
