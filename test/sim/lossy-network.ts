import * as v from 'valibot';
import type { Link, LinkHandler, StreamLease } from '../../agent/link/link.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Random } from '../../lib/random.ts';
import type { Message, TopicDefinition, TopicParameters } from '../../protocol/topics/define-topic.ts';
import { gone, set } from '../../protocol/topics/sync.ts';
import type { Bus, BusHandler, Presence } from '../../server/bus/bus.ts';

/** What the network does to messages; all zero is a perfect one. */
export interface Faults {
  lossFraction: number;
  duplicateFraction: number;
  /** How often, per delivered message, one of the past is delivered again. */
  staleFraction: number;
  /** Messages take from 1 ms to this, each on its own, so they overtake each other. */
  delayMsMax: number;
}

export const perfect: Faults = { lossFraction: 0, duplicateFraction: 0, staleFraction: 0, delayMsMax: 1 };

interface Envelope {
  topic: TopicDefinition;
  node: string;
  message: Message<TopicDefinition>;
}

const historyMax = 400;

/**
 * The bus and the devices' links in one process, at the mercy of `faults`. With `external` the broker outlives the
 * server and knows nothing of presence; else devices lose their connection when the server goes, as with the
 * embedded broker.
 */
export class LossyNetwork {
  faults: Faults = perfect;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #external: boolean;
  readonly #history: Envelope[] = [];
  readonly #links = new Map<string, SimLink>();
  #bus: SimBus | undefined;

  constructor({ clock, random, external }: { clock: Clock; random: Random; external: boolean }) {
    this.#clock = clock;
    this.#random = random;
    this.#external = external;
  }

  openBus(): Bus {
    this.#bus = new SimBus({
      publish: (envelope) => this.#carry(envelope, 'down'),
      connectedNodes: () =>
        this.#external
          ? []
          : this.#links
              .values()
              .filter((link) => link.connected)
              .map(({ node }) => node)
              .toArray(),
      disconnect: (node) => this.#links.get(node)?.disconnect(),
    });
    return this.#bus;
  }

  /** The server is gone, from one instant to the next. */
  cutBus(): void {
    if (this.#bus) this.#bus.alive = false;
    this.#bus = undefined;
    if (!this.#external) for (const link of this.#links.values()) link.disconnect();
  }

  /** A new agent's link; it takes the place of the node's former one. */
  openLink(node: string, connectionsBefore: number): SimLink {
    this.#links.get(node)?.disconnect();
    const link = new SimLink(node, connectionsBefore, {
      send: (envelope) => this.#carry(envelope, 'up'),
      reachable: () => this.#external || this.#bus !== undefined,
      presence: (connected) => {
        if (!this.#external) this.#bus?.presence({ node, connected });
      },
    });
    this.#links.set(node, link);
    return link;
  }

  #carry(envelope: Envelope, way: 'up' | 'down'): void {
    // What a peer keeps of a message must not be what the other changes later.
    const copy = { ...envelope, message: parsed(envelope) };
    this.#history.push(copy);
    if (this.#history.length > historyMax) this.#history.splice(this.#pick(historyMax / 2), 1);
    const { lossFraction, duplicateFraction, staleFraction } = this.faults;
    if (this.#random.fraction() >= lossFraction) this.#deliverSoon(copy, way);
    if (this.#random.fraction() < duplicateFraction) this.#deliverSoon(copy, way);
    if (this.#random.fraction() < staleFraction) {
      const sets = this.#random.fraction() < 0.5;
      const candidates = this.#history.filter(({ topic }) => !sets || topic === set);
      const old = candidates[this.#pick(candidates.length)];
      if (old) this.#deliverSoon(old, old.topic.way === 'up' ? 'up' : 'down');
    }
  }

  #pick(length: number): number {
    return Math.floor(this.#random.fraction() * length);
  }

  #deliverSoon(envelope: Envelope, way: 'up' | 'down'): void {
    const delayMs = 1 + Math.floor(this.#random.fraction() * this.faults.delayMsMax);
    this.#clock.after(delayMs, () => {
      const { topic, node } = envelope;
      const message = parsed(envelope);
      if (way === 'up') this.#bus?.deliver(topic, { node }, message);
      else if (topic.way === 'all') for (const link of this.#links.values()) link.deliver(topic, message);
      else this.#links.get(node)?.deliver(topic, message);
    });
  }
}

function parsed({ topic, message }: Envelope): Message<TopicDefinition> {
  return v.parse(topic.schema, structuredClone(message));
}

interface Carrier {
  publish: (envelope: Envelope) => void;
  connectedNodes: () => readonly string[];
  disconnect: (node: string) => void;
}

class SimBus implements Bus {
  readonly cluster = 'sim';
  alive = true;
  readonly #carrier: Carrier;
  readonly #handlers = new Map<TopicDefinition, Set<BusHandler<TopicDefinition>>>();
  readonly #presenceHandlers = new Set<(presence: Presence) => void>();

  constructor(carrier: Carrier) {
    this.#carrier = carrier;
  }

  async publish<D extends TopicDefinition>(
    topic: D,
    { node = '' }: TopicParameters,
    message: Message<D>,
  ): Promise<void> {
    if (this.alive) this.#carrier.publish({ topic, node, message });
  }

  subscribe<D extends TopicDefinition>(topic: D, handler: BusHandler<D>): Disposable {
    const handlers = this.#handlers.get(topic) ?? new Set();
    this.#handlers.set(topic, handlers);
    const general = handler as BusHandler<TopicDefinition>;
    handlers.add(general);
    return { [Symbol.dispose]: () => handlers.delete(general) };
  }

  onPresence(handler: (presence: Presence) => void): Disposable {
    this.#presenceHandlers.add(handler);
    return { [Symbol.dispose]: () => this.#presenceHandlers.delete(handler) };
  }

  connectedNodes(): readonly string[] {
    return this.#carrier.connectedNodes();
  }

  disconnect(node: string): void {
    if (this.alive) this.#carrier.disconnect(node);
  }

  deliver(topic: TopicDefinition, parameters: TopicParameters, message: Message<TopicDefinition>): void {
    for (const handler of this.#handlers.get(topic) ?? []) void handler(message, parameters);
  }

  presence(presence: Presence): void {
    for (const handler of this.#presenceHandlers) handler(presence);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.alive = false;
  }
}

interface Wire {
  send: (envelope: Envelope) => void;
  reachable: () => boolean;
  presence: (connected: boolean) => void;
}

/** The agent's end. Connecting and losing the connection is the simulation's doing. */
export class SimLink implements Link {
  readonly node: string;
  connected = false;
  /** Sees every message that goes up. */
  onSend: ((topic: TopicDefinition, message: Message<TopicDefinition>) => void) | undefined;
  #connection: number;
  readonly #wire: Wire;
  readonly #handlers = new Map<TopicDefinition, Set<LinkHandler<TopicDefinition>>>();
  readonly #connectedHandlers = new Set<(connection: number) => void>();
  readonly #disconnectedHandlers = new Set<(reason: string) => void>();

  constructor(node: string, connectionsBefore: number, wire: Wire) {
    this.node = node;
    this.#connection = connectionsBefore;
    this.#wire = wire;
  }

  start(): void {
    this.connect();
  }

  connect(): void {
    if (this.connected || !this.#wire.reachable()) return;
    this.connected = true;
    this.#connection += 1;
    this.#wire.presence(true);
    for (const handler of this.#connectedHandlers) handler(this.#connection);
  }

  disconnect(): void {
    if (!this.connected) return;
    this.connected = false;
    this.#wire.send({ topic: gone, node: this.node, message: { connection: this.#connection } });
    this.#wire.presence(false);
    for (const handler of this.#disconnectedHandlers) handler('cut');
  }

  send<D extends TopicDefinition>(topic: D, message: Message<D>): boolean {
    if (!this.connected) return false;
    this.onSend?.(topic, message);
    this.#wire.send({ topic, node: this.node, message });
    return true;
  }

  on<D extends TopicDefinition>(topic: D, handler: LinkHandler<D>): Disposable {
    const handlers = this.#handlers.get(topic) ?? new Set();
    this.#handlers.set(topic, handlers);
    const general = handler as LinkHandler<TopicDefinition>;
    handlers.add(general);
    return { [Symbol.dispose]: () => handlers.delete(general) };
  }

  deliver(topic: TopicDefinition, message: Message<TopicDefinition>): void {
    if (!this.connected) return;
    for (const handler of this.#handlers.get(topic) ?? []) void handler(message, {});
  }

  onConnected(handler: (connection: number) => void): Disposable {
    this.#connectedHandlers.add(handler);
    return { [Symbol.dispose]: () => this.#connectedHandlers.delete(handler) };
  }

  onDisconnected(handler: (reason: string) => void): Disposable {
    this.#disconnectedHandlers.add(handler);
    return { [Symbol.dispose]: () => this.#disconnectedHandlers.delete(handler) };
  }

  openStreams(): Promise<StreamLease> {
    return Promise.reject(new Error('this network carries no streams'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.disconnect();
  }
}
