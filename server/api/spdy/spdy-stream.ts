import { Duplex } from 'node:stream';
import type { SpdyHeaders } from './header-block.ts';
import { SpdyError } from './spdy-error.ts';

/** What a stream needs of its connection. */
export interface StreamCarrier {
  /** Resolves when the connection has room again. */
  sendData(streamId: number, data: Uint8Array, fin: boolean): Promise<void>;
  sendReset(streamId: number): void;
  /** So many bytes that had arrived are no longer unread. */
  consumed(bytes: number): void;
  closed(stream: SpdyStream): void;
}

/** One stream that the client opened. Ending it says FIN, destroying it resets it. */
export class SpdyStream extends Duplex {
  readonly id: number;
  readonly headers: SpdyHeaders;
  readonly #carrier: StreamCarrier;
  #arrived: Buffer[] = [];
  #wanted = false;
  #remoteEnded = false;
  #remoteReset = false;

  constructor(id: number, headers: SpdyHeaders, carrier: StreamCarrier) {
    super({ allowHalfOpen: true });
    this.id = id;
    this.headers = headers;
    this.#carrier = carrier;
    this.on('error', () => {});
  }

  /** For the connection: data of the client. False when the client had said that there would be none. */
  arrive(data: Buffer, fin: boolean): boolean {
    if (this.#remoteEnded) return false;
    if (data.length > 0) this.#arrived.push(data);
    this.#remoteEnded = fin;
    if (this.#wanted) this._read();
    return true;
  }

  /** For the connection: the client, or its connection, gave the stream up. */
  break(error: SpdyError): void {
    this.#remoteReset = true;
    this.destroy(error);
  }

  override _read(): void {
    this.#wanted = true;
    for (let data = this.#arrived.shift(); data; data = this.#arrived.shift()) {
      this.#carrier.consumed(data.length);
      this.#wanted = this.push(data);
      if (!this.#wanted) return;
    }
    if (!this.#remoteEnded) return;
    this.#wanted = false;
    this.push(null);
  }

  override _write(data: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#carrier.sendData(this.id, data, false).then(() => done(), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#carrier.sendData(this.id, Buffer.alloc(0), true).then(() => done(), done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    for (const data of this.#arrived.splice(0)) this.#carrier.consumed(data.length);
    const isOver = this.#remoteEnded && this.writableFinished;
    if (!isOver && !this.#remoteReset) this.#carrier.sendReset(this.id);
    this.#carrier.closed(this);
    done(error);
  }
}
