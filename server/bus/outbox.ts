import type { Limits } from '../../protocol/limits.ts';

export interface OutgoingPayload {
  topic: string;
  qos: 0 | 1;
  payload: Uint8Array;
}

export interface OutboxOptions {
  limits: Limits;
  /** Hands one payload to the socket; calls back when the socket has room again. */
  send(payload: OutgoingPayload, done: () => void): void;
  /** The client lets too much pile up and must go. */
  onOverflow(): void;
  /** Bytes waiting in all outboxes of the broker. */
  shared: { bytes: number };
}

/**
 * What waits for one client. Every client has its own, so that one that reads slowly stands in nobody's way, and a
 * long message goes out chunk by chunk as the socket takes it.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  #waiting: OutgoingPayload[] = [];
  #waitingBytes = 0;
  #sendingBytes = 0;
  #closed = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** All payloads of one message, or none. False when they were dropped. */
  push(payloads: readonly OutgoingPayload[]): boolean {
    const { limits, shared } = this.#options;
    const bytes = payloads.reduce((sum, payload) => sum + costOf(payload), 0);
    if (this.#closed || shared.bytes + bytes > limits.outboundBytesMax) return false;
    if (this.#waitingBytes + bytes > limits.outboundBytesPerClientMax) {
      this.#options.onOverflow();
      return false;
    }
    this.#waiting.push(...payloads);
    this.#count(bytes);
    this.#pump();
    return true;
  }

  close(): void {
    this.#closed = true;
    this.#count(-this.#waitingBytes);
    this.#waiting = [];
  }

  #pump(): void {
    for (;;) {
      const next = this.#waiting[0];
      if (!next || this.#closed) return;
      const bytes = costOf(next);
      const busy = this.#sendingBytes > 0;
      if (busy && this.#sendingBytes + bytes > this.#options.limits.sendingBytesMax) return;
      this.#waiting.shift();
      this.#count(-bytes);
      this.#sendingBytes += bytes;
      this.#options.send(next, () => {
        this.#sendingBytes -= bytes;
        this.#pump();
      });
    }
  }

  #count(bytes: number): void {
    this.#waitingBytes += bytes;
    this.#options.shared.bytes += bytes;
  }
}

/** Bytes of a payload with what it costs to hold it, so that many tiny ones are bounded too. */
function costOf({ payload }: OutgoingPayload): number {
  return payload.length + 64;
}
