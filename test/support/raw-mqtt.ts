import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** MQTT packets byte by byte, also those that no proper client would send (source: MQTT 3.1.1). */
export const packets = {
  connect(options: {
    clientId: string;
    keepalive?: number;
    clean?: boolean;
    level?: number;
    username?: string;
    password?: string;
    will?: { topic: string; payload?: Uint8Array | string; retain?: boolean };
  }): Buffer {
    const { will, username, password } = options;
    const flags =
      (options.clean === false ? 0 : 0x02) |
      (will ? 0x04 | 0x08 | (will.retain ? 0x20 : 0) : 0) |
      (username === undefined ? 0 : 0x80) |
      (password === undefined ? 0 : 0x40);
    const keepalive = options.keepalive ?? 60;
    return packet(
      0x10,
      field('MQTT'),
      Buffer.from([options.level ?? 4, flags, keepalive >> 8, keepalive & 0xff]),
      field(options.clientId),
      ...(will ? [field(will.topic), field(will.payload ?? 'x')] : []),
      ...(username === undefined ? [] : [field(username)]),
      ...(password === undefined ? [] : [field(password)]),
    );
  },
  publish(
    topic: string,
    payload: Uint8Array | string,
    { qos = 0, retain = false }: { qos?: 0 | 1 | 2; retain?: boolean } = {},
  ): Buffer {
    const id = qos === 0 ? [] : [Buffer.from([0, 7])];
    return packet(0x30 | (qos << 1) | (retain ? 1 : 0), field(topic), ...id, Buffer.from(payload));
  },
  subscribe(filters: readonly string[], qos = 1): Buffer {
    const wanted = filters.flatMap((filter) => [field(filter), Buffer.from([qos])]);
    return packet(0x82, Buffer.from([0, 9]), ...wanted);
  },
  ping: Buffer.from([0xc0, 0]),
  disconnect: Buffer.from([0xe0, 0]),
  /** A header that announces `length` bytes. */
  header(type: number, length: number): Buffer {
    return Buffer.concat([Buffer.from([type]), varint(length)]);
  },
};

export interface ReceivedPacket {
  /** High four bits of the first byte: 2 CONNACK, 3 PUBLISH, 4 PUBACK, 9 SUBACK, 13 PINGRESP. */
  type: number;
  body: Buffer;
}

/** A client that sends what it is told to and keeps what it gets. */
export class RawClient {
  readonly received: ReceivedPacket[] = [];
  readonly socket: Socket;
  isClosed = false;
  readonly #waiters = new Set<() => void>();
  #buffer = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('close', () => {
      this.isClosed = true;
      this.#wake();
    });
    socket.on('data', (data: Buffer) => {
      this.#buffer = Buffer.concat([this.#buffer, data]);
      this.#parse();
      this.#wake();
    });
  }

  /** Over TLS, with a client certificate if given; resolves when the handshake is over. */
  static async open(port: number, tls: { ca: string; key?: string; cert?: string }): Promise<RawClient> {
    const socket = connectTls({ port, host: '127.0.0.1', servername: 'server.flotilla', ...tls });
    const client = new RawClient(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve);
      socket.once('close', () => reject(new Error('closed before the handshake was over')));
    });
    return client;
  }

  /** Without TLS. */
  static async plain(port: number): Promise<RawClient> {
    const socket = connectPlain({ port, host: '127.0.0.1' });
    const client = new RawClient(socket);
    await new Promise<void>((resolve) => socket.once('connect', resolve));
    return client;
  }

  send(...bytes: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(bytes));
  }

  /** The next packet of this type, or one that has come already and was not taken. */
  async next(type: number): Promise<ReceivedPacket> {
    for (;;) {
      const index = this.received.findIndex((candidate) => candidate.type === type);
      const [found] = index < 0 ? [] : this.received.splice(index, 1);
      if (found) return found;
      if (this.isClosed) throw new Error(`closed before a packet of type ${type} came`);
      await this.#change();
    }
  }

  /** Resolves when the other side has closed; well before its connect timeout, so that this is not what closed it. */
  async closed(timeoutMs = 5_000): Promise<void> {
    const timer = setTimeout(() => this.#wake(), timeoutMs + 10);
    const deadline = performance.now() + timeoutMs;
    while (!this.isClosed && performance.now() < deadline) await this.#change();
    clearTimeout(timer);
    if (!this.isClosed) throw new Error('the other side keeps the connection open');
  }

  /** Sends CONNECT; resolves with the return code. */
  async connect(options: Parameters<typeof packets.connect>[0]): Promise<number> {
    this.send(packets.connect(options));
    return (await this.next(2)).body[1] ?? -1;
  }

  /** Sends SUBSCRIBE; resolves with the granted QoS of each filter (0x80: refused). */
  async subscribe(filters: readonly string[], qos = 1): Promise<number[]> {
    this.send(packets.subscribe(filters, qos));
    return [...(await this.next(9)).body.subarray(2)];
  }

  destroy(): void {
    this.socket.destroy();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiters.add(resolve));
  }

  #wake(): void {
    for (const wake of this.#waiters) wake();
    this.#waiters.clear();
  }

  #parse(): void {
    for (;;) {
      let length = 0;
      let at = 1;
      let more = true;
      for (let factor = 1; more && at < this.#buffer.length; factor *= 128, at++) {
        const byte = this.#buffer[at] ?? 0;
        length += (byte & 0x7f) * factor;
        more = (byte & 0x80) !== 0;
      }
      if (more || this.#buffer.length < at + length) return;
      this.received.push({ type: (this.#buffer[0] ?? 0) >> 4, body: this.#buffer.subarray(at, at + length) });
      this.#buffer = this.#buffer.subarray(at + length);
    }
  }
}

function packet(first: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([first]), varint(body.length), body]);
}

function field(text: Uint8Array | string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? low | 0x80 : low);
  } while (rest > 0);
  return Buffer.from(bytes);
}
