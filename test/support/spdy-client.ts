import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { constants, createDeflate, createInflate } from 'node:zlib';
import { spdyDictionary } from '../../server/api/spdy/dictionary.ts';

/** The client's side of SPDY/3.1 as Kubernetes' Go clients have it: compressed headers, no flow control. */
export class SpdyClient {
  readonly transport: Duplex;
  readonly streams = new Map<number, ClientStream>();
  readonly pongs: number[] = [];
  /** Compressed headers of SYN_REPLYs. */
  readonly replies: Buffer[] = [];
  /** Status of a GOAWAY. */
  goneAway: number | undefined;
  readonly closed: Promise<unknown>;
  readonly #deflate = createDeflate({ dictionary: spdyDictionary(), level: 9 });
  readonly #inflate = createInflate({ dictionary: spdyDictionary() });
  #nextId = 1;
  #opening: Promise<unknown> = Promise.resolve();
  #buffered = Buffer.alloc(0);

  constructor(transport: Duplex) {
    this.transport = transport;
    this.closed = once(transport, 'close');
    transport.on('error', () => {});
    transport.on('data', (chunk: Buffer) => this.#receive(chunk));
    this.#inflate.on('error', () => {});
    this.#inflate.resume();
  }

  /** Opens a stream; resolves when the server has replied to it, or refused it. */
  async open(headers: Record<string, string>, { fin = false } = {}): Promise<ClientStream> {
    const stream = await this.request(headers, { fin });
    await stream.replied;
    return stream;
  }

  /** One after the other: the headers of all streams are one deflate stream, in the order of their ids. */
  request(headers: Record<string, string>, { fin = false } = {}): Promise<ClientStream> {
    const opening = this.#opening.then(async () => {
      const id = this.#nextId;
      this.#nextId += 2;
      const stream = new ClientStream(id, this);
      this.streams.set(id, stream);
      const fixed = Buffer.alloc(10);
      fixed.writeUInt32BE(id);
      this.control(1, fin ? 1 : 0, Buffer.concat([fixed, await this.compress(headers)]));
      return stream;
    });
    this.#opening = opening;
    return opening;
  }

  async compress(headers: Record<string, string>): Promise<Buffer> {
    const text = (word: string) => Buffer.concat([number(word.length), Buffer.from(word)]);
    const plain = Buffer.concat([
      number(Object.keys(headers).length),
      ...Object.entries(headers).flatMap(([name, value]) => [text(name), text(value)]),
    ]);
    const pieces: Buffer[] = [];
    const collect = (piece: Buffer) => pieces.push(piece);
    this.#deflate.on('data', collect);
    this.#deflate.write(plain);
    await new Promise<void>((resolve) => this.#deflate.flush(constants.Z_SYNC_FLUSH, resolve));
    this.#deflate.off('data', collect);
    return Buffer.concat(pieces);
  }

  control(kind: number, flags: number, payload: Uint8Array): void {
    const header = Buffer.concat([number(0x80030000 + kind), number(flags * 0x1000000 + payload.length)]);
    this.transport.write(Buffer.concat([header, payload]));
  }

  data(id: number, data: string | Uint8Array, fin = false): boolean {
    const bytes = Buffer.from(data as string);
    return this.transport.write(
      Buffer.concat([number(id), number((fin ? 0x1000000 : 0) + bytes.length), bytes]),
    );
  }

  ping(id: number): void {
    this.control(6, 0, number(id));
  }

  #receive(chunk: Buffer): void {
    this.#buffered = Buffer.concat([this.#buffered, chunk]);
    while (this.#buffered.length >= 8) {
      const first = this.#buffered.readUInt32BE(0);
      const length = this.#buffered.readUIntBE(5, 3);
      const flags = this.#buffered[4] ?? 0;
      if (this.#buffered.length < 8 + length) return;
      const payload = this.#buffered.subarray(8, 8 + length);
      this.#buffered = this.#buffered.subarray(8 + length);
      if (first < 0x80000000) this.streams.get(first)?.receive(payload, flags === 1);
      else this.#takeControl(first & 0xffff, payload);
    }
  }

  #takeControl(kind: number, payload: Buffer): void {
    const id = payload.readUInt32BE(0);
    if (kind === 2) {
      this.#inflate.write(payload.subarray(4));
      this.replies.push(Buffer.from(payload.subarray(4)));
      this.streams.get(id)?.onReply();
    } else if (kind === 3) this.streams.get(id)?.onReset(payload.readUInt32BE(4));
    else if (kind === 6) this.pongs.push(id);
    else if (kind === 7) this.goneAway = payload.readUInt32BE(4);
  }
}

export class ClientStream {
  readonly id: number;
  readonly #client: SpdyClient;
  readonly #replied = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<void>();
  readonly #chunks: Buffer[] = [];
  /** Status of a RST_STREAM. */
  reset: number | undefined;
  received = 0;

  constructor(id: number, client: SpdyClient) {
    this.id = id;
    this.#client = client;
  }

  get replied(): Promise<void> {
    return this.#replied.promise;
  }

  /** Resolves when the server has said that this is all, or has reset the stream. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  get text(): string {
    return Buffer.concat(this.#chunks).toString();
  }

  write(data: string | Uint8Array): boolean {
    return this.#client.data(this.id, data);
  }

  end(data = ''): void {
    this.#client.data(this.id, data, true);
  }

  abort(status = 5): void {
    this.#client.control(3, 0, Buffer.concat([number(this.id), number(status)]));
  }

  receive(data: Buffer, fin: boolean): void {
    this.#chunks.push(Buffer.from(data));
    this.received += data.length;
    if (fin) this.#ended.resolve();
  }

  onReply(): void {
    this.#replied.resolve();
  }

  onReset(status: number): void {
    this.reset = status;
    this.#replied.resolve();
    this.#ended.resolve();
  }
}

export function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
