import type { Duplex } from 'node:stream';
import type { IClientOptions, MqttClient, Packet } from 'mqtt';
// Not the package's root, which also loads transports that are not used here: WebSocket, SOCKS.
import mqttClient from 'mqtt/lib/client';
import type { Clock, Timer } from '../../lib/clock.ts';
import type { Limits } from '../../protocol/limits.ts';
import type { Subscription } from '../../protocol/topics/acl.ts';
import { LinkError, type LinkErrorCode } from './link-error.ts';

export interface MqttConnectionOptions {
  /** Connected and verified; the connection owns it from now on. */
  stream: Duplex;
  clientId: string;
  username?: string;
  password?: string;
  will?: { topic: string; payload: Uint8Array };
  /** What an older server refuses is done without, unless it is essential. */
  subscriptions: readonly Subscription[];
  onMessage(topic: string, payload: Uint8Array): void;
  clock: Clock;
  limits: Limits;
}

/**
 * One MQTT session over one stream, from CONNECT to close; it never reconnects. It is alive as long as the broker
 * answers: whatever wants an answer (ping, QoS 1, SUBSCRIBE) and gets none in time ends it, so that a dead link is
 * noticed when there is something to say and not only at the next ping.
 */
export class MqttConnection {
  readonly #client: MqttClient;
  readonly #options: MqttConnectionOptions;
  readonly #closed = Promise.withResolvers<string>();
  readonly #opened = Promise.withResolvers<void>();
  #isOpen = false;
  #failure: Error | undefined;
  #watchdog: Timer | undefined;
  #awaited = 0;
  #inFlightMessages = 0;
  #inFlightBytes = 0;

  /** Resolves when subscribed; rejects with LinkError Refused, Timeout or Closed. */
  static async open(options: MqttConnectionOptions): Promise<MqttConnection> {
    const connection = new MqttConnection(options);
    const { promise, reject } = connection.#opened;
    const timer = options.clock.after(options.limits.answerTimeoutMs, () =>
      reject(new LinkError('Timeout', 'the broker did not answer in time')),
    );
    try {
      await promise;
      return connection;
    } catch (error) {
      options.stream.destroy();
      throw error;
    } finally {
      timer.cancel();
    }
  }

  private constructor(options: MqttConnectionOptions) {
    this.#options = options;
    this.#client = new mqttClient.default(() => options.stream, clientOptions(options));
    this.#listen();
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Resolves with the reason when the connection is over. */
  get closed(): Promise<string> {
    return this.#closed.promise;
  }

  /** Hands the payloads of one message to the socket: all of them, or none when too much is unacknowledged. */
  publish(topic: string, qos: 0 | 1, payloads: readonly Uint8Array[]): boolean {
    const { limits } = this.#options;
    if (!this.#isOpen || this.#inFlightMessages >= limits.inFlightMessagesMax) return false;
    const bytes = payloads.reduce((sum, payload) => sum + payload.length, 0);
    if (qos === 1 && this.#inFlightBytes + bytes > limits.inFlightBytesMax) return false;
    for (const payload of payloads) this.#publishOne(topic, qos, payload);
    return true;
  }

  /** Says goodbye, so that the will does not go out. */
  async end(): Promise<void> {
    const { stream } = this.#options;
    // Once the goodbye is handed over, nothing needs to wait for the broker's side to close.
    stream.once('finish', () => stream.destroy());
    if (this.#isOpen) this.#client.end();
    else stream.destroy();
    // A socket that takes nothing any more would keep the goodbye for ever.
    const timer = this.#options.clock.after(endTimeoutMs, () => stream.destroy());
    await this.closed;
    timer.cancel();
  }

  #publishOne(topic: string, qos: 0 | 1, payload: Uint8Array): void {
    const body = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
    if (qos === 0) {
      this.#client.publish(topic, body, { qos });
      return;
    }
    this.#inFlightMessages++;
    this.#inFlightBytes += body.length;
    this.#client.publish(topic, body, { qos }, () => {
      this.#inFlightMessages--;
      this.#inFlightBytes -= body.length;
    });
  }

  #listen(): void {
    const client = this.#client;
    client.on('connect', () => this.#subscribe());
    client.on('message', (topic, payload) => this.#options.onMessage(topic, payload));
    client.on('error', (error) => {
      this.#failure ??= error;
      this.#options.stream.destroy();
    });
    client.on('packetsend', (packet) => {
      if (wantsAnswer(packet)) this.#await();
    });
    client.on('packetreceive', ({ cmd }) => this.#heard(answers.has(cmd)));
    client.on('close', () => this.#finish());
  }

  #subscribe(): void {
    const { subscriptions } = this.#options;
    const wanted = Object.fromEntries(subscriptions.map(({ filter, qos }) => [filter, { qos }]));
    this.#client.subscribe(wanted, (error, _requests, answer) => {
      const codes = answer?.granted;
      const lacking = codes
        ? subscriptions.some(({ essential }, index) => essential && codes[index] === 128)
        : error;
      if (lacking) {
        this.#opened.reject(new LinkError('Refused', 'the broker refused a subscription', { cause: error }));
        return;
      }
      this.#isOpen = true;
      this.#opened.resolve();
    });
  }

  #await(): void {
    this.#awaited++;
    this.#watchdog ??= this.#options.clock.after(this.#options.limits.answerTimeoutMs, () => {
      this.#failure ??= new LinkError('Timeout', 'the broker stopped answering');
      this.#options.stream.destroy();
    });
  }

  /** Whatever arrives is a sign of life; what is still unanswered gets its full time again. */
  #heard(isAnswer: boolean): void {
    this.#watchdog?.cancel();
    this.#watchdog = undefined;
    if (isAnswer) this.#awaited--;
    if (this.#awaited <= 0) return;
    this.#awaited--;
    this.#await();
  }

  #finish(): void {
    this.#isOpen = false;
    this.#watchdog?.cancel();
    const reason = this.#failure?.message ?? 'the connection was closed';
    this.#opened.reject(refusal(this.#failure) ?? new LinkError('Closed', reason, { cause: this.#failure }));
    this.#closed.resolve(reason);
  }
}

const endTimeoutMs = 2_000;
const answers: ReadonlySet<string | undefined> = new Set(['pingresp', 'suback', 'puback']);

function wantsAnswer(packet: Packet): boolean {
  return (
    packet.cmd === 'pingreq' || packet.cmd === 'subscribe' || (packet.cmd === 'publish' && packet.qos === 1)
  );
}

function clientOptions(options: MqttConnectionOptions): IClientOptions {
  const { clientId, username, password, will, limits } = options;
  return {
    clientId,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(will && {
      will: { topic: will.topic, payload: Buffer.from(will.payload), qos: 1, retain: false },
    }),
    protocolVersion: 4,
    clean: true,
    keepalive: limits.keepaliveSeconds,
    reconnectPeriod: 0,
    connectTimeout: limits.answerTimeoutMs,
    resubscribe: false,
    queueQoSZero: false,
    // The cache of numbers as bytes costs 13 MB.
    writeCache: false,
    timerVariant: 'native',
  };
}

/** CONNACK's return codes (source: MQTT 3.1.1, 3.2.2.3). */
function refusal(error: Error | undefined): LinkError | undefined {
  const code: unknown = error && 'code' in error ? error.code : undefined;
  if (typeof code !== 'number' || code < 1 || code > 6) return undefined;
  const explained = explanations[code];
  if (explained) return new LinkError(explained.code, explained.message, { cause: error });
  return new LinkError('Refused', `the broker refused the connection (code ${code})`, { cause: error });
}

const explanations: Readonly<Record<number, { code: LinkErrorCode; message: string }>> = {
  3: {
    code: 'TooManyAttempts',
    message: 'the server takes no connection from here now: too many attempts, or a fault of its own',
  },
  4: { code: 'TokenUnknown', message: 'the server does not know this token' },
  5: {
    code: 'Refused',
    message:
      'the server does not accept this device as this node: another device may have joined under its name, ' +
      'or its certificate is of another cluster',
  },
};
