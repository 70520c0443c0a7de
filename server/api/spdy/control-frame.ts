import { SpdyError } from './spdy-error.ts';

/** Control frames as far as this side looks into them (source: SPDY Protocol, draft 3.1, 2.6). */
export type ControlFrame =
  | { type: 'synStream'; streamId: number; fin: boolean; unidirectional: boolean; headers: Buffer }
  | { type: 'synReply' | 'headers'; streamId: number; fin: boolean; headers: Buffer }
  | { type: 'rstStream'; streamId: number; status: number }
  | { type: 'ping'; id: number }
  | { type: 'goAway' }
  /** Settings, window updates, and what no version of SPDY/3 knows: read over. */
  | { type: 'other' };

export const frameKinds = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  windowUpdate: 9,
} as const;

export const resetStatus = { protocolError: 1, invalidStream: 2, refusedStream: 3, cancel: 5 } as const;
export const goAwayStatus = { ok: 0, protocolError: 1 } as const;

const finFlag = 0x01;
const unidirectionalFlag = 0x02;

/** Throws SpdyError Malformed. */
export function readControlFrame(kind: number, flags: number, payload: Buffer): ControlFrame {
  const fin = (flags & finFlag) !== 0;
  switch (kind) {
    case frameKinds.synStream:
      return {
        type: 'synStream',
        streamId: streamIdAt(payload, 10),
        fin,
        unidirectional: (flags & unidirectionalFlag) !== 0,
        headers: payload.subarray(10),
      };
    case frameKinds.synReply:
    case frameKinds.headers: {
      const type = kind === frameKinds.synReply ? 'synReply' : 'headers';
      return { type, streamId: streamIdAt(payload, 4), fin, headers: payload.subarray(4) };
    }
    case frameKinds.rstStream:
      exactly(payload, 8);
      return { type: 'rstStream', streamId: streamIdAt(payload, 8), status: payload.readUInt32BE(4) };
    case frameKinds.ping:
      exactly(payload, 4);
      return { type: 'ping', id: payload.readUInt32BE(0) };
    case frameKinds.goAway:
      exactly(payload, 8);
      return { type: 'goAway' };
    case frameKinds.windowUpdate:
      exactly(payload, 8);
      return { type: 'other' };
    case frameKinds.settings:
      if (payload.length < 4 || payload.length !== 4 + 8 * payload.readUInt32BE(0)) throw wrongLength();
      return { type: 'other' };
    default:
      return { type: 'other' };
  }
}

function streamIdAt(payload: Buffer, bytesMin: number): number {
  if (payload.length < bytesMin) throw wrongLength();
  const id = payload.readUInt32BE(0) & 0x7fff_ffff;
  if (id === 0) throw new SpdyError('Malformed', 'a frame for stream 0');
  return id;
}

function exactly(payload: Buffer, bytes: number): void {
  if (payload.length !== bytes) throw wrongLength();
}

function wrongLength(): SpdyError {
  return new SpdyError('Malformed', 'a control frame has a wrong length');
}

export function writeControlFrame(kind: number, flags: number, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32BE(0x8003_0000 + kind);
  header.writeUInt32BE(flags * 0x100_0000 + payload.length, 4);
  return Buffer.concat([header, payload]);
}

/** Two numbers, as RST_STREAM and GOAWAY have them. */
export function pairPayload(first: number, second: number): Buffer {
  const payload = Buffer.alloc(8);
  payload.writeUInt32BE(first);
  payload.writeUInt32BE(second, 4);
  return payload;
}

/** What stands before `length` bytes of data. */
export function dataHeader(streamId: number, length: number, fin: boolean): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32BE(streamId);
  header.writeUInt32BE((fin ? 0x100_0000 : 0) + length, 4);
  return header;
}
