import type { Message, TopicDefinition, TopicParameters } from '../../protocol/topics/define-topic.ts';

/**
 * The server's side of the pub/sub bus. The embedded broker is one implementation, an external broker another; all
 * that the server may rely on is the dialect of docs/ARCHITECTURE.md: QoS 0 or 1, no retained messages, nothing
 * durable.
 */
export interface Bus extends AsyncDisposable {
  readonly cluster: string;
  /** Hands the message to the broker. Delivery is never certain: acknowledgement is the protocol's own business. */
  publish<D extends TopicDefinition>(
    topic: D,
    parameters: TopicParameters,
    message: Message<D>,
  ): Promise<void>;
  /**
   * Calls `handler` with every decoded message on `topic`, from any node, in arrival order per node. Messages that
   * do not decode or do not fit the schema are counted and dropped. A handler that throws is logged and harms
   * nobody else.
   */
  subscribe<D extends TopicDefinition>(topic: D, handler: BusHandler<D>): Disposable;
  /** Control connections that came or went, as far as the broker can tell; a `gone` will arrives as a message. */
  onPresence(handler: (presence: Presence) => void): Disposable;
  /** Nodes whose control connection is open now. */
  connectedNodes(): readonly string[];
  /** Closes a node's connections, e.g. after its Node was deleted. */
  disconnect(node: string): void;
}

export type BusHandler<D extends TopicDefinition> = (
  message: Message<D>,
  parameters: TopicParameters,
) => void | Promise<void>;

export interface Presence {
  node: string;
  connected: boolean;
}
