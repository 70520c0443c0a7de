import { backoffMs } from '../../lib/backoff.ts';
import type { Clock, Timer } from '../../lib/clock.ts';
import type { Random } from '../../lib/random.ts';
import type { Message } from '../../protocol/topics/define-topic.ts';
import { type NodeReport, type PodEvent, type PodReport, status } from '../../protocol/topics/sync.ts';
import { createEventBuffer } from './event-buffer.ts';
import type { Link } from './link.ts';

/**
 * What the server has not yet acknowledged: one slot per pod and one for the node, never a growing queue. A newer
 * report replaces the older one in its slot; slots are sent when connected and again after a reconnect until
 * acknowledged.
 */
export interface StatusOutbox {
  reportPod(report: PodReport): void;
  reportNode(report: NodeReport): void;
  /** For people to see; the oldest are lost when there are too many. */
  reportEvent(event: PodEvent): void;
}

/** The outbox as the sync protocol drives it. */
export interface DrivenOutbox extends StatusOutbox, Disposable {
  /** The server answered hello: sends everything unacknowledged. */
  open(session: string): void;
  /** The connection is gone. */
  close(): void;
  /** The server lost what it had acknowledged (its store is another): everything is sent anew. */
  forgetAcknowledgements(): void;
  /** The server wants the node report although it acknowledged it. */
  repeatNode(): void;
  acknowledge(session: string, boot: number, seq: number): void;
  /** Lets go of reports that are acknowledged and of pods that are no longer desired. */
  dropSettled(isDesired: (uid: string) => boolean): void;
  readonly nodeReport: NodeReport | undefined;
  /** Reports not yet acknowledged. */
  readonly unacknowledged: number;
}

export interface StatusOutboxOptions {
  link: Pick<Link, 'send'>;
  boots: { readonly boot: number };
  clock: Clock;
  random: Random;
  /** Called when the server has acknowledged nothing for long: it may not know us. */
  onSilence: () => void;
}

/** Bursts of a starting pod become one message. */
const flushDelayMs = 10;
/** Nobody waits for an event; it rides along with a status where it can. */
const eventDelayMs = 1_000;
const retryBackoff = { baseMs: 5_000, capMs: 60_000 };
const silentRetries = 3;
const podsPerMessageMax = 32;

interface Slot<T> {
  report: T;
  dirty: boolean;
  /** The message it travels in, until that is acknowledged or given up. */
  sent: { seq: number; at: number } | undefined;
}

export function createStatusOutbox(options: StatusOutboxOptions): DrivenOutbox {
  return new Outbox(options);
}

class Outbox implements DrivenOutbox {
  readonly #options: StatusOutboxOptions;
  readonly #pods = new Map<string, Slot<PodReport>>();
  readonly #events = createEventBuffer();
  #node: Slot<NodeReport> | undefined;
  #session: string | undefined;
  #seq = 0;
  #retries = 0;
  #flushTimer: (Timer & { at: number }) | undefined;
  #retryTimer: Timer | undefined;

  constructor(options: StatusOutboxOptions) {
    this.#options = options;
  }

  get nodeReport(): NodeReport | undefined {
    return this.#node?.report;
  }

  get unacknowledged(): number {
    return this.#slots().filter(({ dirty }) => dirty).length;
  }

  reportPod(report: PodReport): void {
    this.#pods.set(report.uid, { report, dirty: true, sent: undefined });
    this.#flushWithin(flushDelayMs);
  }

  reportNode(report: NodeReport): void {
    this.#node = { report, dirty: true, sent: undefined };
    this.#flushWithin(flushDelayMs);
  }

  reportEvent(event: PodEvent): void {
    this.#events.add(event);
    this.#flushWithin(eventDelayMs);
  }

  open(session: string): void {
    this.#session = session;
    this.#retries = 0;
    this.#markUnsent(() => true);
    this.#flushWithin(0);
  }

  close(): void {
    this.#session = undefined;
    this.#flushTimer?.cancel();
    this.#retryTimer?.cancel();
    this.#flushTimer = this.#retryTimer = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  forgetAcknowledgements(): void {
    for (const slot of this.#slots()) slot.dirty = true;
    this.#markUnsent(() => true);
    this.#flushWithin(flushDelayMs);
  }

  repeatNode(): void {
    if (this.#node) this.#node.dirty = true;
    this.#flushWithin(flushDelayMs);
  }

  acknowledge(session: string, boot: number, seq: number): void {
    if (session !== this.#session || boot !== this.#options.boots.boot) return;
    this.#retries = 0;
    for (const slot of this.#slots()) {
      if (slot.sent?.seq !== seq) continue;
      slot.dirty = false;
      slot.sent = undefined;
    }
  }

  dropSettled(isDesired: (uid: string) => boolean): void {
    for (const [uid, { dirty }] of this.#pods) if (!dirty && !isDesired(uid)) this.#pods.delete(uid);
  }

  #slots(): Slot<unknown>[] {
    return [...this.#pods.values(), ...(this.#node ? [this.#node] : [])];
  }

  #flushWithin(delayMs: number): void {
    if (this.#session === undefined) return;
    const { clock } = this.#options;
    const at = clock.monotonic() + delayMs;
    if (this.#flushTimer && this.#flushTimer.at <= at) return;
    this.#flushTimer?.cancel();
    const timer = clock.after(delayMs, () => {
      this.#flushTimer = undefined;
      this.#flush();
    });
    this.#flushTimer = { at, cancel: () => timer.cancel() };
  }

  #flush(): void {
    if (this.#session === undefined) return;
    const unsent = [...this.#pods.values()].filter(isUnsent);
    const node = this.#node && isUnsent(this.#node) ? this.#node : undefined;
    if (unsent.length === 0 && !node && this.#events.size === 0) return;
    const batch = unsent.slice(0, podsPerMessageMax);
    if (!this.#send(this.#session, batch, node)) return;
    if (unsent.length > batch.length) this.#flushWithin(0);
    this.#armRetry();
  }

  #send(session: string, batch: readonly Slot<PodReport>[], node: Slot<NodeReport> | undefined): boolean {
    const { link, boots, clock } = this.#options;
    this.#seq += 1;
    const events = this.#events.take();
    const message: Message<typeof status> = {
      session,
      boot: boots.boot,
      seq: this.#seq,
      pods: batch.map(({ report }) => report),
      ...(node ? { report: node.report } : {}),
      ...(events.length > 0 ? { events } : {}),
    };
    if (!link.send(status, message)) return false;
    const sent = { seq: this.#seq, at: clock.monotonic() };
    for (const slot of batch) slot.sent = sent;
    if (node) node.sent = sent;
    return true;
  }

  #armRetry(): void {
    const { clock, random } = this.#options;
    const delayMs = retryBackoff.baseMs + backoffMs(this.#retries + 1, { ...retryBackoff, jitter: random });
    this.#retryTimer ??= clock.after(delayMs, () => this.#retry());
  }

  /** Sends anew, under a new number, what has been under way for too long. */
  #retry(): void {
    this.#retryTimer = undefined;
    const now = this.#options.clock.monotonic();
    if (this.#session === undefined || this.#slots().every(({ dirty }) => !dirty)) return;
    if (this.#markUnsent(({ sent }) => sent !== undefined && now - sent.at >= retryBackoff.baseMs)) {
      this.#retries += 1;
      if (this.#retries % silentRetries === 0) this.#options.onSilence();
      this.#flush();
    }
    this.#armRetry();
  }

  #markUnsent(which: (slot: Slot<unknown>) => boolean): boolean {
    const chosen = this.#slots().filter((slot) => slot.sent !== undefined && which(slot));
    for (const slot of chosen) slot.sent = undefined;
    return chosen.length > 0;
  }
}

function isUnsent(slot: Slot<unknown>): boolean {
  return slot.dirty && slot.sent === undefined;
}
