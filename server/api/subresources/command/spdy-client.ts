import type { Clock } from '../../../../lib/clock.ts';
import { apiLimits } from '../../api-limits.ts';
import type { Exchange } from '../../exchange.ts';
import { SpdySession } from '../../spdy/spdy-session.ts';
import type { SpdyStream } from '../../spdy/spdy-stream.ts';
import { acceptSpdy } from '../upgrade.ts';
import {
  type CommandClient,
  type EndStatus,
  LatestSize,
  terminalSize,
  type WantedStreams,
} from './command-client.ts';

/** The preferred ones first. Up to version 3 failures are plain text, up to version 2 there is no resizing. */
const protocols = [
  'v5.channel.k8s.io',
  'v4.channel.k8s.io',
  'v3.channel.k8s.io',
  'v2.channel.k8s.io',
  'channel.k8s.io',
];

type StreamType = 'error' | 'stdin' | 'stdout' | 'stderr' | 'resize';

/**
 * Finishes the upgrade and waits until the client has opened the streams it asked for; rejects when it does not in time.
 * Throws Forbidden when the client speaks none of the protocols.
 */
export async function acceptSpdyClient(exchange: Exchange, wanted: WantedStreams): Promise<CommandClient> {
  const { protocol, transport } = acceptSpdy(exchange, protocols);
  const isNew = protocol.startsWith('v5') || protocol.startsWith('v4');
  const expected: StreamType[] = ['error'];
  for (const type of ['stdin', 'stdout', 'stderr'] as const) if (wanted[type]) expected.push(type);
  if (wanted.tty && (isNew || protocol.startsWith('v3'))) expected.push('resize');
  const client = new SpdyCommandClient(exchange.services.clock, expected, { statusAsJson: isNew });
  await client.serve((onStream) => new SpdySession({ transport, onStream }));
  return client;
}

class SpdyCommandClient implements CommandClient {
  readonly #clock: Clock;
  readonly #expected: readonly StreamType[];
  readonly #statusAsJson: boolean;
  readonly #streams = new Map<StreamType, SpdyStream>();
  readonly #size = new LatestSize();
  readonly #complete = Promise.withResolvers<void>();
  #session: SpdySession | undefined;
  #ended: Promise<unknown> = Promise.resolve();

  constructor(clock: Clock, expected: readonly StreamType[], { statusAsJson }: { statusAsJson: boolean }) {
    this.#clock = clock;
    this.#expected = expected;
    this.#statusAsJson = statusAsJson;
  }

  async serve(open: (onStream: (stream: SpdyStream) => boolean) => SpdySession): Promise<void> {
    const session = open((stream) => this.#add(stream));
    this.#session = session;
    this.#ended = session.run();
    const timer = this.#clock.after(apiLimits.streamCreationMs, () =>
      this.#complete.reject(new Error('timed out waiting for client to create streams')),
    );
    void this.#ended.then(() => this.#complete.reject(new Error('the client left')));
    try {
      await this.#complete.promise;
    } catch (error) {
      session.destroy();
      throw error;
    } finally {
      timer.cancel();
    }
    this.#readSizes();
  }

  input(): AsyncIterable<Uint8Array> {
    return this.#streams.get('stdin') ?? nothing();
  }

  onResize(tell: (columns: number, rows: number) => void): void {
    this.#size.onResize(tell);
  }

  onGone(tell: () => void): void {
    void this.#ended.then(tell);
  }

  send(channel: 'stdout' | 'stderr', data: Uint8Array): Promise<void> {
    const stream = this.#streams.get(channel);
    return stream ? write(stream, data) : Promise.resolve();
  }

  /** Ends every stream: the client reads them all to their end, and then closes the connection. */
  async finish(status: EndStatus): Promise<void> {
    const error = this.#streams.get('error');
    const text = status.status === 'Success' ? '' : (status.message ?? '');
    const last = this.#statusAsJson ? JSON.stringify(status) : text;
    if (error && last !== '') await write(error, Buffer.from(last));
    for (const stream of this.#streams.values()) stream.end();
    const timer = this.#clock.after(apiLimits.closeGraceMs, () => this.#session?.close());
    const last2 = this.#clock.after(2 * apiLimits.closeGraceMs, () => this.#session?.destroy());
    await this.#ended;
    timer.cancel();
    last2.cancel();
  }

  leave(): void {
    this.#session?.close();
  }

  ping(): void {
    this.#session?.ping();
  }

  #add(stream: SpdyStream): boolean {
    const type = this.#expected.find((name) => name === stream.headers.get('streamtype'));
    if (type === undefined || this.#streams.has(type)) return false;
    this.#streams.set(type, stream);
    if (this.#streams.size === this.#expected.length) this.#complete.resolve();
    return true;
  }

  /** Sizes come as JSON, one after the other, with a newline between them or without. */
  #readSizes(): void {
    let text = '';
    this.#streams.get('resize')?.on('data', (chunk: Buffer) => {
      text = (text + chunk.toString()).slice(-sizeCharactersMax);
      for (let end = text.indexOf('}'); end >= 0; end = text.indexOf('}')) {
        this.#size.set(terminalSize(text.slice(0, end + 1)));
        text = text.slice(end + 1);
      }
    });
  }
}

const sizeCharactersMax = 1_024;

function write(stream: SpdyStream, data: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(data, (error) => (error ? reject(error) : resolve()));
  });
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
