import { Inbox } from '../../agent/link/inbox.ts';
import type { Link, LinkHandler, StreamLease } from '../../agent/link/link.ts';
import { LinkError } from '../../agent/link/link-error.ts';
import type { Logger } from '../../lib/log.ts';
import { encodeMessage } from '../../protocol/codec.ts';
import { type Message, type TopicDefinition, topicString } from '../../protocol/topics/define-topic.ts';
import { gone } from '../../protocol/topics/sync.ts';
import type { MemoryBus, MemoryConnection } from '../../server/bus/memory-bus.ts';

export interface MemoryLinkOptions {
  bus: MemoryBus;
  node: string;
  log: Logger;
  connectionsBefore?: number;
}

/** The device's end of a `MemoryBus`. It connects at once when started and online; a simulation says when it is not. */
export class MemoryLink implements Link {
  readonly #options: MemoryLinkOptions;
  readonly #inbox: Inbox;
  readonly #connectedHandlers = new Set<(connection: number) => void>();
  readonly #disconnectedHandlers = new Set<(reason: string) => void>();
  #control: MemoryConnection | undefined;
  #stream: MemoryConnection | undefined;
  #streamOver = new AbortController();
  #count: number;
  #started = false;
  #online = true;

  constructor(options: MemoryLinkOptions) {
    this.#options = options;
    this.#inbox = new Inbox(options.bus.cluster, options.log);
    this.#count = options.connectionsBefore ?? 0;
  }

  start(): void {
    this.#started = true;
    this.#connect();
  }

  /** Cuts the link (its will goes out) or brings it back. */
  setOnline(online: boolean): void {
    this.#online = online;
    if (online) this.#connect();
    else this.drop('the link is cut');
  }

  /** Breaks the connections there are; a started link that is online comes back with `reconnect`. */
  drop(reason: string): void {
    this.#control?.drop(reason);
    this.#stream?.drop(reason);
  }

  dropStreams(reason: string): void {
    this.#stream?.drop(reason);
  }

  reconnect(): void {
    this.#connect();
  }

  get connected(): boolean {
    return this.#control !== undefined;
  }

  send<D extends TopicDefinition>(topic: D, message: Message<D>, parameters: { id?: string } = {}): boolean {
    const connection = topic.connection === 'stream' ? this.#stream : this.#control;
    if (!connection) return false;
    const { bus, node } = this.#options;
    const target = topicString(topic, bus.cluster, { node, ...parameters });
    return encodeMessage(topic, message).every((payload) => connection.publish(target, payload));
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
    if (!this.#online) throw new LinkError('Unreachable', 'the link is cut');
    const { bus, node } = this.#options;
    this.#stream ??= bus.connect(
      { connection: 'stream', node },
      {
        onMessage: (topic, payload) => this.#inbox.receive(topic, payload),
        onClosed: (reason) => {
          this.#stream = undefined;
          this.#streamOver.abort(new Error(reason));
          this.#streamOver = new AbortController();
        },
      },
    );
    return { over: this.#streamOver.signal, [Symbol.dispose]: () => {} };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#started = false;
    this.#control?.close();
    this.#stream?.close();
  }

  #connect(): void {
    if (!this.#started || !this.#online || this.#control) return;
    const { bus, node } = this.#options;
    this.#count++;
    const [payload] = encodeMessage(gone, { connection: this.#count });
    this.#control = bus.connect(
      { connection: 'control', node },
      {
        ...(payload && { will: { topic: topicString(gone, bus.cluster, { node }), payload } }),
        onMessage: (topic, message) => this.#inbox.receive(topic, message),
        onClosed: (reason) => {
          this.#control = undefined;
          this.#inbox.forget();
          for (const handle of this.#disconnectedHandlers) handle(reason);
        },
      },
    );
    for (const handle of this.#connectedHandlers) handle(this.#count);
  }
}
