import type { Duplex } from 'node:stream';
import {
  type ControlFrame,
  dataHeader,
  frameKinds,
  goAwayStatus,
  pairPayload,
  readControlFrame,
  resetStatus,
  writeControlFrame,
} from './control-frame.ts';
import { FrameParser, type RawFrame } from './frame-parser.ts';
import { HeaderReader, HeaderWriter, type SpdyHeaders } from './header-block.ts';
import { SpdyError } from './spdy-error.ts';
import { spdyLimits } from './spdy-limits.ts';
import { SpdyStream, type StreamCarrier } from './spdy-stream.ts';

export interface SpdySessionOptions {
  /** The connection after its upgrade, or a tunnel; the session owns it from now on. */
  transport: Duplex;
  /** A stream that the client opened. False refuses it. */
  onStream(stream: SpdyStream): boolean;
}

/**
 * The server's side of one SPDY/3.1 connection, as far as Kubernetes' clients use it: the client opens streams, both sides
 * send data on them. Those clients know nothing of SPDY's own flow control (they neither send nor heed WINDOW_UPDATE),
 * so a slow reader holds back the connection below: at most `spdyLimits.unreadBytesMax` wait here.
 */
export class SpdySession {
  readonly #options: SpdySessionOptions;
  readonly #parser = new FrameParser();
  readonly #headerReader = new HeaderReader();
  readonly #headerWriter = new HeaderWriter();
  readonly #streams = new Map<number, SpdyStream>();
  readonly #carrier: StreamCarrier;
  #lastStreamId = 0;
  #lastPingId = 0;
  #unreadBytes = 0;
  #goneAway = false;
  #wake: (() => void) | undefined;

  constructor(options: SpdySessionOptions) {
    this.#options = options;
    this.#carrier = {
      sendData: (id, data, fin) => this.#sendData(id, data, fin),
      sendReset: (id) => this.#reset(id, resetStatus.cancel),
      consumed: (bytes) => this.#consumed(bytes),
      closed: (stream) => void this.#streams.delete(stream.id),
    };
    // While it waits for room, nobody reads the transport and sees its end.
    options.transport.once('close', () => this.#end());
  }

  /** Serves the connection until it ends, whoever ends it. Never rejects; resolves with what the client did wrong. */
  async run(): Promise<SpdyError | undefined> {
    const { transport } = this.#options;
    try {
      // Not destroyed by leaving the loop: a client that went wrong shall hear so.
      for await (const chunk of transport.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        for (const frame of this.#parser.push(chunk)) await this.#take(frame);
        await this.#readersHaveRoom();
        await this.#clientHasRoom();
      }
      return undefined;
    } catch (error) {
      if (!(error instanceof SpdyError)) return undefined;
      this.#goAway(goAwayStatus.protocolError);
      transport.end(() => transport.destroy());
      return error;
    } finally {
      this.#end();
    }
  }

  get streamCount(): number {
    return this.#streams.size;
  }

  /** Asks for an answer that nobody waits for: writing is how a connection that is gone is noticed. */
  ping(): void {
    const id = Buffer.alloc(4);
    this.#lastPingId = (this.#lastPingId + 2) % 0x4000_0000;
    id.writeUInt32BE(this.#lastPingId);
    this.#send(frameKinds.ping, 0, id);
  }

  /** Says goodbye and lets the client end the connection. */
  close(): void {
    this.#goAway(goAwayStatus.ok);
    this.#options.transport.end();
  }

  /** Ends the connection now. */
  destroy(): void {
    this.#options.transport.destroy();
    this.#end();
  }

  async #take(frame: RawFrame): Promise<void> {
    if (frame.type === 'data') return this.#takeData(frame);
    const control = readControlFrame(frame.kind, frame.flags, frame.payload);
    switch (control.type) {
      case 'synStream':
        return this.#open(control);
      case 'synReply':
      case 'headers':
        await this.#headerReader.read(control.headers);
        if (control.fin) this.#streams.get(control.streamId)?.arrive(Buffer.alloc(0), true);
        return;
      case 'rstStream':
        return this.#streams
          .get(control.streamId)
          ?.break(new SpdyError('Reset', 'the client gave the stream up'));
      case 'ping':
        // An even one answers ours.
        if (control.id % 2 === 1) this.#send(frameKinds.ping, 0, frame.payload);
        return;
      case 'goAway':
        this.#goneAway = true;
        return;
      case 'other':
        return;
    }
  }

  #takeData({ streamId, data, fin }: Extract<RawFrame, { type: 'data' }>): void {
    const stream = this.#streams.get(streamId);
    // Of a stream that is over some data may still be on its way.
    if (!stream) {
      if (streamId > this.#lastStreamId) this.#reset(streamId, resetStatus.invalidStream);
      return;
    }
    this.#unreadBytes += data.length;
    if (stream.arrive(data, fin)) return;
    this.#unreadBytes -= data.length;
    stream.destroy(new SpdyError('Malformed', 'data after the end of a stream'));
  }

  async #open(frame: Extract<ControlFrame, { type: 'synStream' }>): Promise<void> {
    const headers = await this.#headerReader.read(frame.headers);
    const { streamId } = frame;
    if (streamId % 2 === 0 || streamId <= this.#lastStreamId)
      throw new SpdyError('Malformed', `stream ${streamId} cannot follow stream ${this.#lastStreamId}`);
    this.#lastStreamId = streamId;
    if (this.#goneAway) return;
    if (this.#streams.size >= spdyLimits.streamsMax) return this.#reset(streamId, resetStatus.refusedStream);
    const stream = new SpdyStream(streamId, headers, this.#carrier);
    this.#streams.set(streamId, stream);
    if (!this.#options.onStream(stream)) {
      stream.break(new SpdyError('Reset', 'the stream was refused'));
      this.#reset(streamId, resetStatus.refusedStream);
      return;
    }
    this.#send(frameKinds.synReply, 0, this.#replyPayload(streamId));
    if (frame.fin) stream.arrive(Buffer.alloc(0), true);
    if (frame.unidirectional) stream.end();
  }

  #replyPayload(streamId: number): Buffer {
    const id = Buffer.alloc(4);
    id.writeUInt32BE(streamId);
    const none: SpdyHeaders = new Map();
    return Buffer.concat([id, this.#headerWriter.write(none)]);
  }

  async #sendData(streamId: number, data: Uint8Array, fin: boolean): Promise<void> {
    let at = 0;
    do {
      const piece = data.subarray(at, at + spdyLimits.dataFrameBytesMax);
      at += piece.length;
      await this.#write(dataHeader(streamId, piece.length, fin && at >= data.length), piece);
    } while (at < data.length);
  }

  #write(header: Buffer, data: Uint8Array): Promise<void> {
    const { transport } = this.#options;
    return new Promise((resolve, reject) => {
      if (transport.destroyed || transport.writableEnded)
        return reject(new SpdyError('Closed', 'the connection is closed'));
      const done = (error?: Error | null) =>
        error ? reject(new SpdyError('Closed', 'the connection is closed', { cause: error })) : resolve();
      transport.cork();
      if (data.length === 0) transport.write(header, done);
      else {
        transport.write(header);
        transport.write(data, done);
      }
      transport.uncork();
    });
  }

  #send(kind: number, flags: number, payload: Uint8Array): void {
    const { transport } = this.#options;
    if (!transport.destroyed && !transport.writableEnded)
      transport.write(writeControlFrame(kind, flags, payload));
  }

  #reset(streamId: number, status: number): void {
    this.#send(frameKinds.rstStream, 0, pairPayload(streamId, status));
  }

  #goAway(status: number): void {
    this.#send(frameKinds.goAway, 0, pairPayload(this.#lastStreamId, status));
  }

  #consumed(bytes: number): void {
    this.#unreadBytes -= bytes;
    if (this.#unreadBytes <= spdyLimits.unreadBytesMax) this.#wake?.();
  }

  async #readersHaveRoom(): Promise<void> {
    while (this.#unreadBytes > spdyLimits.unreadBytesMax) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** A client that asks and does not read the answers is not read on. */
  #clientHasRoom(): Promise<void> {
    const { transport } = this.#options;
    return new Promise((resolve) => {
      if (!transport.writableNeedDrain || transport.destroyed) return resolve();
      const done = () => {
        for (const event of ['drain', 'close']) transport.off(event, done);
        resolve();
      };
      for (const event of ['drain', 'close']) transport.on(event, done);
    });
  }

  #end(): void {
    this.#headerReader[Symbol.dispose]();
    for (const stream of this.#streams.values())
      stream.break(new SpdyError('Closed', 'the connection is closed'));
    this.#unreadBytes = 0;
    this.#wake?.();
  }
}
