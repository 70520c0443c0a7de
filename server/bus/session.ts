import type { Duplex } from 'node:stream';
import type { Client } from 'aedes';
import type { Clock, Timer } from '../../lib/clock.ts';
import type { Limits } from '../../protocol/limits.ts';
import type { Acl, Peer } from '../../protocol/topics/acl.ts';
import { type Admission, clientIdOf, type Identity } from './admission.ts';
import { Outbox } from './outbox.ts';
import { PacketGuard } from './packet-guard.ts';

export interface SessionOptions {
  stream: Duplex;
  identity: Identity;
  /** Absent for in-memory connections, which are not counted per address. */
  address?: string | undefined;
  /** Called when it turns out to be a device's. */
  onKnown?: () => void;
  limits: Limits;
  clock: Clock;
  /** Bytes waiting for all clients. */
  outbound: { bytes: number };
  /** Says why a connection is cut. */
  onCut(session: Session, reason: string): void;
}

/** One connection to the broker and what is known about it, from the first byte to the last. */
export class Session {
  readonly stream: Duplex;
  readonly identity: Identity;
  readonly address: string | undefined;
  readonly guard: PacketGuard;
  readonly outbox: Outbox;
  /** Filters that were granted. */
  readonly filters = new Set<string>();
  admission: Admission | undefined;
  /** Set once aedes has answered the CONNECT. */
  client: Client | undefined;
  /** Every filter that the connection is of no use without is subscribed. */
  ready = false;
  readonly #options: SessionOptions;
  #expiry: Timer | undefined;
  #cut = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.stream = options.stream;
    this.identity = options.identity;
    this.address = options.address;
    this.guard = new PacketGuard(options.limits, options.clock);
    this.outbox = new Outbox({
      limits: options.limits,
      shared: options.outbound,
      send: (outgoing, done) => this.#send(outgoing, done),
      onOverflow: () => this.cut('too much is waiting for the client'),
    });
  }

  get peer(): Peer | undefined {
    return this.admission?.admitted ? this.admission.peer : undefined;
  }

  get acl(): Acl | undefined {
    return this.admission?.admitted ? this.admission.acl : undefined;
  }

  /** Undefined until admitted. */
  get clientId(): string | undefined {
    return this.peer && clientIdOf(this.peer);
  }

  hasEssentialFilters(): boolean {
    const needed = (this.acl?.subscriptions ?? []).filter(({ essential }) => essential);
    return needed.length > 0 && needed.every(({ filter }) => this.filters.has(filter));
  }

  /** aedes has answered its CONNECT. */
  begin(client: Client): void {
    this.client = client;
    if (this.peer && this.peer.connection !== 'join') this.#options.onKnown?.();
  }

  /** Ends the connection now; its will, if any, goes out. */
  cut(reason: string): void {
    if (this.#cut) return;
    this.#cut = true;
    this.#options.onCut(this, reason);
    this.stream.destroy();
  }

  /** The connection lives this long at most. */
  expireAfter(delayMs: number): void {
    this.#expiry?.cancel();
    const cut = () => this.cut('the connection had its time');
    this.#expiry = this.#options.clock.after(delayMs, cut, { unref: true });
  }

  close(): void {
    this.#expiry?.cancel();
    this.outbox.close();
  }

  #send(outgoing: { topic: string; qos: 0 | 1; payload: Uint8Array }, done: () => void): void {
    if (this.stream.writableLength > this.#options.limits.unsentBytesMax)
      this.cut('the client does not read');
    const { topic, qos, payload } = outgoing;
    this.client?.publish(
      {
        cmd: 'publish',
        topic,
        qos,
        payload: Buffer.from(payload.buffer, payload.byteOffset, payload.length),
        retain: false,
        dup: false,
      },
      done,
    );
  }
}
