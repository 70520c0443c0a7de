import type { Logger } from '../../lib/log.ts';
import { decodeMessage } from '../../protocol/codec.ts';
import { Reassembler } from '../../protocol/codec-chunks.ts';
import { CodecError } from '../../protocol/codec-error.ts';
import { findTopic } from '../../protocol/topics/acl.ts';
import type { Message, TopicDefinition, TopicParameters } from '../../protocol/topics/define-topic.ts';
import type { LinkHandler } from './link.ts';

type AnyHandler = (message: Message<TopicDefinition>, parameters: Pick<TopicParameters, 'id'>) => unknown;

/** From payloads that arrive to the agent's handlers, in order of arrival. */
export class Inbox {
  readonly #cluster: string;
  readonly #log: Logger;
  #reassembler = new Reassembler();
  readonly #handlers = new Map<string, Set<AnyHandler>>();

  constructor(cluster: string, log: Logger) {
    this.#cluster = cluster;
    this.#log = log;
  }

  on<D extends TopicDefinition>(topic: D, handler: LinkHandler<D>): Disposable {
    const handlers = this.#handlers.get(topic.name) ?? new Set();
    this.#handlers.set(topic.name, handlers);
    const entry: AnyHandler = (message, parameters) => handler(message, parameters);
    handlers.add(entry);
    return { [Symbol.dispose]: () => void handlers.delete(entry) };
  }

  /** Never throws: a message that does not decode is logged and dropped, and the sync protocol heals. */
  receive(topic: string, payload: Uint8Array): void {
    const match = findTopic(this.#cluster, topic);
    const handlers = match && this.#handlers.get(match.definition.name);
    if (!match || !handlers?.size) return;
    try {
      const whole = this.#reassembler.accept('server', topic, payload);
      if (!whole) return;
      const message = decodeMessage(match.definition, whole);
      const { id } = match.parameters;
      for (const handle of handlers) this.#call(handle, message, id === undefined ? {} : { id });
    } catch (error) {
      if (!(error instanceof CodecError)) throw error;
      this.#log.warn('a message was dropped', { topic, code: error.code, error });
    }
  }

  /** The connection is gone: what is half here will not be completed. */
  forget(): void {
    this.#reassembler = new Reassembler();
  }

  #call(handle: AnyHandler, ...args: Parameters<AnyHandler>): void {
    const report = (error: unknown) => this.#log.error('a link handler failed', { error });
    try {
      const pending = handle(...args);
      if (pending instanceof Promise) pending.catch(report);
    } catch (error) {
      report(error);
    }
  }
}
