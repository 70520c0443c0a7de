import { Duplex } from 'node:stream';
import type { BusStream } from './bus-stream.ts';

/** A stream to a device as a Duplex, as if it were the socket at the other end. */
export class DialedStream extends Duplex {
  readonly #stream: BusStream;
  readonly #chunks: AsyncIterator<{ data: Uint8Array }>;

  constructor(stream: BusStream) {
    super({ allowHalfOpen: true });
    this.#stream = stream;
    this.#chunks = stream.output[Symbol.asyncIterator]();
  }

  override _read(): void {
    this.#chunks.next().then(
      ({ done, value }) => this.push(done ? null : value.data),
      (error: Error) => this.destroy(error),
    );
  }

  override _write(data: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#stream.write(data).then(() => done(), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#stream.endInput();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#stream.finish({});
    done(error);
  }
}
