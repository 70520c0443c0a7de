import type { Message, TopicDefinition, TopicParameters } from '../../protocol/topics/define-topic.ts';

/**
 * The device's end of the bus: one control connection that it makes itself and remakes for ever, and a second one
 * for streams while there are any. A message that cannot be sent now is not queued: the caller keeps its state
 * dirty and sends again.
 */
export interface Link extends AsyncDisposable {
  /** Starts connecting; returns at once. */
  start(): void;
  readonly connected: boolean;
  /** False when not connected. True means handed to the socket, nothing more. */
  send<D extends TopicDefinition>(
    topic: D,
    message: Message<D>,
    parameters?: Pick<TopicParameters, 'id'>,
  ): boolean;
  on<D extends TopicDefinition>(topic: D, handler: LinkHandler<D>): Disposable;
  /** `connection` counts this agent's control connections; it is also in the will. */
  onConnected(handler: (connection: number) => void): Disposable;
  onDisconnected(handler: (reason: string) => void): Disposable;
  /**
   * Makes the stream connection if need be; resolves when it can carry frames. Released connections close when
   * idle.
   */
  openStreams(): Promise<StreamLease>;
}

export interface StreamLease extends Disposable {
  /** Aborts when the connection is over; its reason is an Error that says why. */
  readonly over: AbortSignal;
}

export type LinkHandler<D extends TopicDefinition> = (
  message: Message<D>,
  parameters: Pick<TopicParameters, 'id'>,
) => void | Promise<void>;
