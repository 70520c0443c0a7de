import type { Logger } from '../../lib/log.ts';
import { decodeMessage } from '../../protocol/codec.ts';
import { Reassembler } from '../../protocol/codec-chunks.ts';
import { CodecError } from '../../protocol/codec-error.ts';
import type { TopicMatch } from '../../protocol/topics/acl.ts';
import type { Message, TopicDefinition, TopicParameters } from '../../protocol/topics/define-topic.ts';
import type { BusHandler } from './bus.ts';
import { Listeners } from './listeners.ts';

/** From payloads that a peer was allowed to publish to the server's handlers, at once and in order of arrival. */
export class Dispatcher {
  readonly #log: Logger;
  readonly #reassembler = new Reassembler();
  readonly #handlers = new Map<
    string,
    Listeners<{ message: Message<TopicDefinition>; parameters: TopicParameters }>
  >();
  /** Senders whose bad message was logged; one line per connection is enough. */
  readonly #warned = new Set<string>();
  /** Payloads that did not decode or did not fit their topic's schema. */
  undecodable = 0;
  received = { messages: 0, bytes: 0 };

  constructor(log: Logger) {
    this.#log = log;
  }

  subscribe<D extends TopicDefinition>(topic: D, handler: BusHandler<D>): Disposable {
    const listeners = this.#handlers.get(topic.name) ?? new Listeners(this.#log);
    this.#handlers.set(topic.name, listeners);
    return listeners.add(({ message, parameters }) => handler(message, parameters));
  }

  receive(sender: string, topic: string, match: TopicMatch, payload: Uint8Array): void {
    this.received.messages += 1;
    this.received.bytes += payload.length;
    const listeners = this.#handlers.get(match.definition.name);
    if (!listeners || listeners.size === 0) return;
    try {
      const whole = this.#reassembler.accept(sender, topic, payload);
      if (!whole) return;
      listeners.emit({
        message: decodeMessage(match.definition, whole),
        parameters: match.parameters,
      });
    } catch (error) {
      if (!(error instanceof CodecError)) throw error;
      this.undecodable++;
      if (this.#warned.has(sender)) return;
      this.#warned.add(sender);
      this.#log.warn('a message was dropped', { sender, topic, code: error.code, error });
    }
  }

  /** `sender` is gone; its half messages go too. */
  forget(sender: string): void {
    this.#reassembler.forget(sender);
    this.#warned.delete(sender);
  }

  close(): void {
    for (const listeners of this.#handlers.values()) listeners.clear();
  }
}
