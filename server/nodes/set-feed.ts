import { backoffMs } from '../../lib/backoff.ts';
import type { Clock, Timer } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import type { Message, TopicDefinition } from '../../protocol/topics/define-topic.ts';
import { ask, type index, set } from '../../protocol/topics/sync.ts';
import type { NodeSet, SetState } from './node-set.ts';

/**
 * Brings one device to its desired set. Deltas follow each other without waiting for confirmation; whatever is lost
 * on the way shows when the device says what it holds, or when it does not say so in time.
 */
export interface SetFeed {
  /** What the device says it holds. A hello wants an answer now; a digest may be older than what is under way. */
  claim(claim: SetClaim, kind: 'hello' | 'digest'): void;
  /** The device's answer to an `ask`. */
  index(message: Message<typeof index>): void;
  /** The set may have changed. */
  changed(): void;
  /** The device is gone; nothing is sent before its next claim. */
  pause(): void;
}

export interface SetClaim extends SetState {
  epoch: string;
}

export interface SetFeedOptions {
  set: NodeSet;
  /** Names this run of the server. */
  session: string;
  epoch: string;
  publish: <D extends TopicDefinition>(topic: D, message: Message<D>) => Promise<void>;
  clock: Clock;
  random: Random;
  log: Logger;
}

/** Changes within this window travel together. Starts with the first, so it adds to the way from apply to running. */
const gatherMs = 5;
/** How long a device may take to confirm before it is told again. */
const confirmBackoff = { baseMs: 3_000, capMs: 60_000 };
const requestBytes = 8;

export function createSetFeed(options: SetFeedOptions): SetFeed {
  return new Feed(options);
}

class Feed implements SetFeed {
  readonly #options: SetFeedOptions;
  /** Undefined while the device is away. */
  #claim: SetClaim | undefined;
  /** What the device holds once everything sent has arrived; undefined while that is not known. */
  #cursor: SetState | undefined;
  #request: string | undefined;
  #attempts = 0;
  #sending = false;
  #gatherTimer: Timer | undefined;
  #confirmTimer: Timer | undefined;

  constructor(options: SetFeedOptions) {
    this.#options = options;
  }

  claim(claim: SetClaim, kind: 'hello' | 'digest'): void {
    const { set, epoch } = this.#options;
    if (claim.epoch === epoch && claim.revision > set.state().revision) set.raiseAbove(claim.revision);
    const known = this.#claim;
    const outdated = kind === 'digest' && known?.epoch === epoch && claim.epoch === epoch;
    if (outdated && claim.revision < known.revision) return;
    this.#claim = claim;
    const now = set.state();
    if (claim.epoch === epoch) set.acknowledge(claim);
    if (claim.epoch === epoch && claim.revision === now.revision && claim.hash === now.hash) {
      this.#caughtUp(now);
    } else if (kind === 'hello' || !this.#underWay()) {
      this.#bringUp(claim);
    } else if (claim.revision !== known?.revision) {
      this.#confirmTimer?.cancel();
      this.#confirmTimer = undefined;
      this.#attempts = 0;
      this.#awaitConfirmation();
    }
  }

  index({ request, nonce, entries }: Message<typeof index>): void {
    if (request !== this.#request) return;
    this.#request = undefined;
    const { set: nodeSet, session, epoch } = this.#options;
    const { revision: to, hash } = nodeSet.state();
    const changes = nodeSet.difference(entries);
    this.#send({ type: 'snapshot', session, epoch, nonce, to, hash, ...changes });
  }

  changed(): void {
    if (this.#claim === undefined || this.#gatherTimer) return;
    this.#gatherTimer = this.#options.clock.after(gatherMs, () => {
      this.#gatherTimer = undefined;
      this.#follow();
    });
  }

  pause(): void {
    this.#claim = this.#cursor = this.#request = undefined;
    this.#attempts = 0;
    this.#gatherTimer?.cancel();
    this.#confirmTimer?.cancel();
    this.#gatherTimer = this.#confirmTimer = undefined;
  }

  #caughtUp(state: SetState): void {
    this.#cursor = state;
    this.#request = undefined;
    this.#attempts = 0;
    this.#confirmTimer?.cancel();
    this.#confirmTimer = undefined;
  }

  /** Something is on its way that may well do: it gets its time before more is sent. */
  #underWay(): boolean {
    return this.#confirmTimer !== undefined && (this.#cursor !== undefined || this.#request !== undefined);
  }

  #bringUp(claim: SetClaim): void {
    const { set: nodeSet, session, epoch } = this.#options;
    const delta = claim.epoch === epoch ? nodeSet.deltaFrom(claim) : undefined;
    if (delta) this.#send({ type: 'delta', session, epoch, ...delta });
    else this.#ask();
  }

  /** Sends what changed since the last message, if nothing else is under way. */
  #follow(): void {
    if (!this.#cursor || this.#sending) return;
    const { set: nodeSet, session, epoch } = this.#options;
    if (nodeSet.state().revision === this.#cursor.revision) return;
    const delta = nodeSet.deltaFrom(this.#cursor);
    if (delta) this.#send({ type: 'delta', session, epoch, ...delta });
    else this.#ask();
  }

  #ask(): void {
    const { random } = this.#options;
    this.#cursor = undefined;
    this.#request = Buffer.from(random.bytes(requestBytes)).toString('hex');
    this.#awaitConfirmation();
    void this.#publish(ask, { request: this.#request });
  }

  #send(message: Message<typeof set>): void {
    this.#cursor = { revision: message.to, hash: message.hash };
    this.#request = undefined;
    this.#awaitConfirmation();
    this.#sending = true;
    void this.#publish(set, message).finally(() => {
      this.#sending = false;
      this.#follow();
    });
  }

  async #publish<D extends TopicDefinition>(topic: D, message: Message<D>): Promise<void> {
    try {
      await this.#options.publish(topic, message);
    } catch (error) {
      this.#options.log.warn('message to a device could not be sent; it is tried again', {
        topic: topic.name,
        error,
      });
    }
  }

  #awaitConfirmation(): void {
    const { clock, random } = this.#options;
    const { baseMs } = confirmBackoff;
    const delayMs = baseMs + backoffMs(this.#attempts + 1, { ...confirmBackoff, jitter: random });
    this.#confirmTimer ??= clock.after(
      delayMs,
      () => {
        this.#confirmTimer = undefined;
        this.#attempts += 1;
        if (this.#claim) this.#bringUp(this.#claim);
      },
      { unref: true },
    );
  }
}
