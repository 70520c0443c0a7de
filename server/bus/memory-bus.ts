import type { Logger } from '../../lib/log.ts';
import { encodeMessage } from '../../protocol/codec.ts';
import { aclFor, type Peer } from '../../protocol/topics/acl.ts';
import type { Message, TopicDefinition, TopicParameters } from '../../protocol/topics/define-topic.ts';
import { topicString } from '../../protocol/topics/define-topic.ts';
import { clientIdOf } from './admission.ts';
import type { Bus, BusHandler, Presence } from './bus.ts';
import { Dispatcher } from './dispatcher.ts';
import { Listeners } from './listeners.ts';

/** One payload on its way. `from` and `to` are client ids (`<node>`, `<node>/stream`, `join-<id>`) or `server`. */
export interface Transit {
  from: string;
  to: string;
  topic: string;
  payload: Uint8Array;
}

export interface MemoryBusOptions {
  cluster: string;
  log: Logger;
  /**
   * What the network does to a payload: call `deliver` never (lost), several times (repeated) or later (delayed,
   * overtaken). Without it everything arrives in order, in a microtask. A connection that ended meanwhile gets nothing.
   */
  carry?: (transit: Transit, deliver: () => void) => void;
}

/** The device's end of a connection, as `MemoryBus.connect` wants it. */
export interface MemoryClient {
  /** Published by the bus when the connection breaks. */
  will?: { topic: string; payload: Uint8Array };
  onMessage(topic: string, payload: Uint8Array): void;
  onClosed(reason: string): void;
}

export interface MemoryConnection {
  /** False when closed. Throws when the topic is not the peer's to publish to: a device never does that. */
  publish(topic: string, payload: Uint8Array): boolean;
  /** As a DISCONNECT: no will. */
  close(): void;
  /** As a lost link: the will goes out. */
  drop(reason: string): void;
}

interface Line {
  peer: Peer;
  client: MemoryClient;
  open: boolean;
}

/**
 * A bus without broker or sockets, for simulations: the same bytes, topics and access rules, and a network that can
 * be told to fail.
 */
export class MemoryBus implements Bus {
  readonly cluster: string;
  readonly #carry: NonNullable<MemoryBusOptions['carry']>;
  readonly #dispatcher: Dispatcher;
  readonly #presence: Listeners<Presence>;
  readonly #lines = new Map<string, Line>();

  constructor({ cluster, log, carry }: MemoryBusOptions) {
    this.cluster = cluster;
    this.#carry = carry ?? ((_transit, deliver) => queueMicrotask(deliver));
    this.#dispatcher = new Dispatcher(log);
    this.#presence = new Listeners(log);
  }

  /** A device's connection; an older one with the same identity is dropped, as a broker does. */
  connect(peer: Peer, client: MemoryClient): MemoryConnection {
    const id = clientIdOf(peer);
    const former = this.#lines.get(id);
    if (former) this.#drop(former, 'replaced by a new connection');
    const line: Line = { peer, client, open: true };
    this.#lines.set(id, line);
    if (peer.connection === 'control') this.#presence.emit({ node: peer.node, connected: true });
    return {
      publish: (topic, payload) => {
        if (line.open) this.#up(line, topic, payload);
        return line.open;
      },
      close: () => this.#close(line, 'closed'),
      drop: (reason) => this.#drop(line, reason),
    };
  }

  async publish<D extends TopicDefinition>(
    topic: D,
    parameters: TopicParameters,
    message: Message<D>,
  ): Promise<void> {
    if (topic.way === 'up') throw new TypeError(`topic ${topic.name} is published by devices`);
    const target = topicString(topic, this.cluster, parameters);
    const payloads = encodeMessage(topic, message);
    for (const line of this.#lines.values()) {
      if (!aclFor(this.cluster, line.peer).maySubscribe(target)) continue;
      for (const payload of payloads) this.#down(line, target, payload);
    }
  }

  subscribe<D extends TopicDefinition>(topic: D, handler: BusHandler<D>): Disposable {
    return this.#dispatcher.subscribe(topic, handler);
  }

  onPresence(handler: (presence: Presence) => void): Disposable {
    return this.#presence.add(handler);
  }

  connectedNodes(): readonly string[] {
    return [...this.#lines.values()].flatMap(({ peer }) =>
      peer.connection === 'control' ? [peer.node] : [],
    );
  }

  disconnect(node: string): void {
    for (const line of this.#lines.values()) {
      if (line.peer.connection !== 'join' && line.peer.node === node)
        this.#drop(line, 'disconnected by the server');
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#dispatcher.close();
    this.#presence.clear();
    for (const line of this.#lines.values()) this.#close(line, 'the server stopped');
  }

  #up(line: Line, topic: string, payload: Uint8Array): void {
    const match = aclFor(this.cluster, line.peer).publish(topic);
    if (!match) throw new Error(`${clientIdOf(line.peer)} may not publish to ${topic}`);
    const from = clientIdOf(line.peer);
    this.#carry({ from, to: 'server', topic, payload }, () =>
      this.#dispatcher.receive(from, topic, match, payload),
    );
  }

  #down(line: Line, topic: string, payload: Uint8Array): void {
    this.#carry({ from: 'server', to: clientIdOf(line.peer), topic, payload }, () => {
      if (line.open) line.client.onMessage(topic, payload);
    });
  }

  #drop(line: Line, reason: string): void {
    const { will } = line.client;
    if (line.open && will) this.#up(line, will.topic, will.payload);
    this.#close(line, reason);
  }

  #close(line: Line, reason: string): void {
    if (!line.open) return;
    line.open = false;
    const id = clientIdOf(line.peer);
    this.#lines.delete(id);
    this.#dispatcher.forget(id);
    if (line.peer.connection === 'control') this.#presence.emit({ node: line.peer.node, connected: false });
    line.client.onClosed(reason);
  }
}
