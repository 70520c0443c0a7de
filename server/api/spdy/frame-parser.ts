import { SpdyError } from './spdy-error.ts';
import { spdyLimits } from './spdy-limits.ts';

/** A frame as it stands on the wire; a long data frame comes in several pieces, of which the last may say `fin`. */
export type RawFrame =
  | { type: 'data'; streamId: number; data: Buffer; fin: boolean }
  | { type: 'control'; kind: number; flags: number; payload: Buffer };

const headerBytes = 8;
const version = 3;
const finFlag = 0x01;

/** Cuts the bytes of a connection into frames (source: SPDY Protocol, draft 3.1, 2.2). Holds one control frame at most. */
export class FrameParser {
  readonly #header = Buffer.alloc(headerBytes);
  #headerLength = 0;
  #control: { kind: number; flags: number; payload: Buffer; filled: number } | undefined;
  #data: { streamId: number; left: number; fin: boolean } | undefined;

  /** The frames that `chunk` completes or goes on with. Throws SpdyError; the connection is lost then. */
  *push(chunk: Buffer): Generator<RawFrame> {
    let at = 0;
    while (at < chunk.length) {
      if (this.#data) {
        const piece = chunk.subarray(at, at + this.#data.left);
        at += piece.length;
        yield this.#takeData(this.#data, piece);
      } else if (this.#control) {
        const { payload, filled } = this.#control;
        const copied = chunk.copy(payload, filled, at);
        at += copied;
        this.#control.filled += copied;
        if (this.#control.filled === payload.length) yield this.#endControl(this.#control);
      } else {
        const taken = chunk.copy(this.#header, this.#headerLength, at);
        at += taken;
        this.#headerLength += taken;
        if (this.#headerLength === headerBytes) yield* this.#begin();
      }
    }
  }

  *#begin(): Generator<RawFrame> {
    this.#headerLength = 0;
    const first = this.#header.readUInt32BE(0);
    const flags = this.#header[4] ?? 0;
    const length = this.#header.readUIntBE(5, 3);
    if (first >>> 31 === 0) {
      if (first === 0) throw new SpdyError('Malformed', 'data for stream 0');
      this.#data = { streamId: first, left: length, fin: (flags & finFlag) !== 0 };
      if (length === 0) yield this.#takeData(this.#data, Buffer.alloc(0));
      return;
    }
    const spoken = (first >>> 16) & 0x7fff;
    if (spoken !== version) throw new SpdyError('Malformed', `SPDY version ${spoken} is not spoken`);
    if (length > spdyLimits.controlFrameBytesMax)
      throw new SpdyError('TooLarge', `a control frame of ${length} bytes`);
    this.#control = { kind: first & 0xffff, flags, payload: Buffer.alloc(length), filled: 0 };
    if (length === 0) yield this.#endControl(this.#control);
  }

  #takeData(frame: { streamId: number; left: number; fin: boolean }, data: Buffer): RawFrame {
    frame.left -= data.length;
    const isLast = frame.left === 0;
    if (isLast) this.#data = undefined;
    return { type: 'data', streamId: frame.streamId, data, fin: isLast && frame.fin };
  }

  #endControl({ kind, flags, payload }: { kind: number; flags: number; payload: Buffer }): RawFrame {
    this.#control = undefined;
    return { type: 'control', kind, flags, payload };
  }
}
