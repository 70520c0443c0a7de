import { limits } from './limits.ts';

/**
 * Credit-based flow control of one direction of one stream (both sides start with a full window): the sender takes
 * credit before each data frame, the receiver gives it back as its reader consumes.
 */
export class SendWindow {
  #credit: number = limits.streamWindowBytes;
  #failure: Error | undefined;
  #waiters: (() => void)[] = [];

  /** Resolves with how many of `bytes` may be sent now, at least one and at most a frame. Rejects once failed. */
  async take(bytes: number): Promise<number> {
    while (this.#credit <= 0 && !this.#failure) {
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
    if (this.#failure) throw this.#failure;
    const granted = Math.min(bytes, this.#credit, limits.streamFrameBytesMax);
    this.#credit -= granted;
    return granted;
  }

  /** The other side made room. More credit than a window is a protocol error and is cut to a window. */
  add(bytes: number): void {
    this.#credit = Math.min(this.#credit + bytes, limits.streamWindowBytes);
    this.#wakeAll();
  }

  fail(error: Error): void {
    this.#failure ??= error;
    this.#wakeAll();
  }

  #wakeAll(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }
}

export class ReceiveWindow {
  #consumed = 0;
  #outstanding = 0;

  /** Counts arrived bytes; false when the sender ignored its window. */
  arrived(bytes: number): boolean {
    this.#outstanding += bytes;
    return this.#outstanding <= limits.streamWindowBytes;
  }

  /** Counts bytes the reader took; returns the credit to grant now (0: not yet worth a frame). */
  consumed(bytes: number): number {
    this.#consumed += bytes;
    if (this.#consumed < limits.streamWindowBytes / 2) return 0;
    const grant = this.#consumed;
    this.#outstanding -= grant;
    this.#consumed = 0;
    return grant;
  }
}

/** Cuts `data` into frames as credit allows and hands each to `send`. Rejects when the window failed. */
export async function sendWindowed(
  window: SendWindow,
  data: Uint8Array,
  send: (frame: Uint8Array) => void | Promise<void>,
): Promise<void> {
  let offset = 0;
  while (offset < data.length) {
    const granted = await window.take(data.length - offset);
    await send(data.subarray(offset, offset + granted));
    offset += granted;
  }
}
