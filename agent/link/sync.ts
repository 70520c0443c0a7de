import { backoffMs } from '../../lib/backoff.ts';
import type { Clock, Timer } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import { entryDigest } from '../../protocol/sync-hash.ts';
import type { Message } from '../../protocol/topics/define-topic.ts';
import { ack, ask, digestTopic, hello, index, roll, set } from '../../protocol/topics/sync.ts';
import type { BootCounter } from '../desired/boot-counter.ts';
import type { ApplyOutcome, SetMessage, WritableDesiredSet } from '../desired/desired-set.ts';
import type { Link } from './link.ts';
import { createStatusOutbox, type DrivenOutbox, type StatusOutbox } from './status-outbox.ts';

/**
 * The device's side of the sync protocol: says hello until it is answered, applies what the server sends, tells
 * what it holds, and never assumes that a message arrived. When idle it speaks once in half an hour.
 */
export interface Sync extends Disposable {
  readonly outbox: StatusOutbox;
  /** Reports the server has not acknowledged. */
  readonly unacknowledged: number;
  /** Says hello soon: what could not be stored before may be sent again. */
  greet(): void;
}

export interface SyncOptions {
  link: Link;
  desired: WritableDesiredSet;
  boots: BootCounter;
  clock: Clock;
  random: Random;
  log: Logger;
  /** The kernel's; changes when the machine restarts. */
  bootId: string;
  agentVersion: string;
  /** Whether the wall clock was set by somebody who knows. */
  clockTrusted: () => boolean;
  /** One number for the digest, e.g. the load average. */
  load?: () => number;
}

const answerBackoff = { baseMs: 5_000, capMs: 60_000 };
const troubleBackoff = { baseMs: 1_000, capMs: 60_000 };
/** Deltas of a burst are confirmed together. */
const confirmDelayMs = 200;
const idleDigestMs = 30 * 60_000;
const idleJitterFraction = 0.2;

export function startSync(options: SyncOptions): Sync {
  const run = new SyncRun(options);
  run.start();
  return run;
}

class SyncRun implements Sync {
  readonly #options: SyncOptions;
  readonly #subscriptions = new DisposableStack();
  readonly #outbox: DrivenOutbox;
  #connection: number | undefined;
  /** Names the server's run; known once it answered a hello of this connection. */
  #session: string | undefined;
  #helloCount = 0;
  #unanswered = 0;
  /** Times in a row that the set did not fit; the next hello waits longer each time. */
  #troubles = 0;
  #helloTimer: (Timer & { at: number }) | undefined;
  #answerTimer: Timer | undefined;
  #digestTimer: (Timer & { at: number }) | undefined;

  constructor(options: SyncOptions) {
    this.#options = options;
    const { link, boots, clock, random } = options;
    const onSilence = () => this.#helloWithin(troubleBackoff.baseMs);
    this.#outbox = createStatusOutbox({ link, boots, clock, random, onSilence });
  }

  get outbox(): StatusOutbox {
    return this.#outbox;
  }

  get unacknowledged(): number {
    return this.#outbox.unacknowledged;
  }

  greet(): void {
    this.#helloWithin(troubleBackoff.baseMs);
  }

  start(): void {
    const { link, desired, random } = this.#options;
    const own = this.#subscriptions;
    own.use(link.onConnected((connection) => this.#connected(connection)));
    own.use(link.onDisconnected(() => this.#disconnected()));
    own.use(link.on(set, (message) => this.#onSet(message)));
    own.use(link.on(ask, ({ request }) => this.#sendIndex(request)));
    own.use(link.on(ack, (message) => this.#onAck(message)));
    own.use(link.on(roll, ({ windowMs }) => this.#helloWithin(Math.floor(windowMs * random.fraction()))));
    own.use(desired.onChange(() => this.#dropSettled()));
  }

  [Symbol.dispose](): void {
    this.#disconnected();
    this.#outbox[Symbol.dispose]();
    this.#subscriptions.dispose();
  }

  #connected(connection: number): void {
    this.#connection = connection;
    this.#unanswered = 0;
    this.#troubles = 0;
    this.#helloWithin(0);
  }

  #disconnected(): void {
    this.#connection = undefined;
    this.#session = undefined;
    this.#helloTimer?.cancel();
    this.#answerTimer?.cancel();
    this.#digestTimer?.cancel();
    this.#helloTimer = this.#answerTimer = this.#digestTimer = undefined;
    this.#outbox.close();
  }

  /** At most one hello is pending; the sooner of two wins. */
  #helloWithin(delayMs: number): void {
    if (this.#connection === undefined) return;
    this.#helloTimer = this.#sooner(this.#helloTimer, delayMs, () => {
      this.#helloTimer = undefined;
      this.#sayHello();
    });
  }

  #sayHello(): void {
    if (this.#connection === undefined) return;
    const { link, boots, clock, random, bootId, agentVersion, clockTrusted } = this.#options;
    this.#helloCount += 1;
    const report = this.#outbox.nodeReport;
    link.send(hello, {
      ...this.#claim(),
      boot: boots.boot,
      count: this.#helloCount,
      connection: this.#connection,
      bootId,
      clockTrusted: clockTrusted(),
      agentVersion,
      ...(report ? { reportDigest: entryDigest(report) } : {}),
    });
    this.#unanswered += 1;
    const patienceMs =
      answerBackoff.baseMs + backoffMs(this.#unanswered, { ...answerBackoff, jitter: random });
    this.#answerTimer?.cancel();
    this.#answerTimer = clock.after(patienceMs, () => this.#helloWithin(0));
    this.#digestWithin(this.#idleDelayMs());
  }

  #claim(): { epoch: string; revision: number; hash: string } {
    const { desired } = this.#options;
    return {
      epoch: desired.trusted ? desired.epoch : '',
      revision: desired.revision,
      hash: desired.hash,
    };
  }

  async #onAck(message: Message<typeof ack>): Promise<void> {
    const { boots } = this.#options;
    switch (message.type) {
      case 'greet':
        return this.#trouble();
      case 'status':
        this.#outbox.acknowledge(message.session, message.boot, message.seq);
        return this.#dropSettled();
      case 'behind':
        if (!this.#isLatestHello(message)) return;
        await boots.raise(message.floor);
        return this.#helloWithin(0);
      case 'hello':
        return this.#isLatestHello(message) ? this.#answered(message.session, message.report) : undefined;
    }
  }

  #isLatestHello({ boot, count }: { boot: number; count: number }): boolean {
    return boot === this.#options.boots.boot && count === this.#helloCount;
  }

  #answered(session: string, reportWanted: boolean): void {
    if (this.#connection === undefined) return;
    this.#unanswered = 0;
    this.#answerTimer?.cancel();
    this.#session = session;
    if (reportWanted) this.#outbox.repeatNode();
    this.#outbox.open(session);
  }

  async #onSet(message: SetMessage): Promise<void> {
    const { desired, log } = this.#options;
    // A set of another run of the server may be older than what this run has said already.
    if (message.session !== this.#session) {
      if (this.#session !== undefined) this.#trouble();
      return;
    }
    const epochBefore = desired.epoch;
    try {
      this.#afterApply(await desired.apply(message), epochBefore);
    } catch (error) {
      log.error('desired state could not be stored; it is asked for again when it can be', { error });
    }
  }

  #afterApply(outcome: ApplyOutcome, epochBefore: string): void {
    const { desired } = this.#options;
    switch (outcome) {
      case 'applied':
        this.#troubles = 0;
        if (desired.epoch !== epochBefore) this.#outbox.forgetAcknowledgements();
        return this.#digestWithin(confirmDelayMs);
      case 'older':
      case 'stale':
        // The server would not have sent it if it knew what this device holds.
        return this.#digestWithin(confirmDelayMs);
      case 'gap':
      case 'foreign':
      case 'mismatch':
        return this.#trouble();
    }
  }

  #trouble(): void {
    this.#troubles += 1;
    const { random } = this.#options;
    this.#helloWithin(backoffMs(this.#troubles, { ...troubleBackoff, jitter: random }));
  }

  #sendIndex(request: string): void {
    const { link, desired } = this.#options;
    const entries = [...desired.entries.values()].map(({ key, digest }): [string, string] => [key, digest]);
    link.send(index, { request, nonce: desired.nonce, entries });
  }

  #digestWithin(delayMs: number): void {
    if (this.#connection === undefined) return;
    this.#digestTimer = this.#sooner(this.#digestTimer, delayMs, () => {
      this.#digestTimer = undefined;
      const { link, load } = this.#options;
      link.send(digestTopic, { ...this.#claim(), ...(load ? { load: load() } : {}) });
      this.#digestWithin(this.#idleDelayMs());
    });
  }

  #idleDelayMs(): number {
    const { random } = this.#options;
    return Math.floor(idleDigestMs * (1 - idleJitterFraction * random.fraction()));
  }

  #dropSettled(): void {
    const { desired } = this.#options;
    this.#outbox.dropSettled((uid) => desired.entries.has(`Pod/${uid}`));
  }

  /** Keeps `pending` if it is due first, else replaces it. */
  #sooner(
    pending: (Timer & { at: number }) | undefined,
    delayMs: number,
    task: () => void,
  ): Timer & { at: number } {
    const { clock } = this.#options;
    const at = clock.monotonic() + delayMs;
    if (pending && pending.at <= at) return pending;
    pending?.cancel();
    const timer = clock.after(delayMs, task);
    return { at, cancel: () => timer.cancel() };
  }
}
