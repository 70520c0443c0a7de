import type { RawData, WebSocket } from 'ws';

/** The first byte of a message tells its channel; as base64 in texts, where the client cannot take bytes, a digit does. */
export type ChannelForm = 'binary' | 'base64';

/** Kubernetes' channels over a WebSocket (source: apimachinery, util/httpstream/wsstream). */
export class ChannelSocket {
  readonly socket: WebSocket;
  readonly #form: ChannelForm;

  constructor(socket: WebSocket, protocol: string) {
    this.socket = socket;
    this.#form = protocol.includes('base64') ? 'base64' : 'binary';
  }

  /** Each message with its channel. A message that has none is dropped. */
  onMessage(take: (channel: number, data: Buffer) => void): void {
    this.socket.on('message', (message: RawData) => {
      const bytes = bytesOf(message);
      const first = bytes[0];
      if (first === undefined) return;
      if (this.#form === 'binary') take(first, bytes.subarray(1));
      else take(first - digitZero, Buffer.from(bytes.subarray(1).toString('latin1'), 'base64'));
    });
  }

  /** Resolves when the kernel has taken the message, so that a slow client slows who sends. Rejects when it is gone. */
  send(channel: number, data: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (error?: Error | null) => (error ? reject(error) : resolve());
      if (this.#form === 'binary') {
        const message = new Uint8Array(data.length + 1);
        message[0] = channel;
        message.set(data, 1);
        this.socket.send(message, { binary: true }, done);
      } else this.socket.send(`${channel}${Buffer.from(data).toString('base64')}`, { binary: false }, done);
    });
  }

  /** Reads on so that the client's closing frame is seen; `ws` itself ends the socket when none comes. */
  closeSoon(code: number): void {
    this.socket.resume();
    this.socket.close(code);
  }
}

const digitZero = 0x30;

function bytesOf(message: RawData): Buffer {
  if (Array.isArray(message)) return Buffer.concat(message);
  return message instanceof ArrayBuffer ? Buffer.from(message) : message;
}
