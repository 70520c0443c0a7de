import { createHash } from 'node:crypto';
import { backoffMs } from '../../lib/backoff.ts';
import type { Clock, Timer } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import type { Message } from '../../protocol/topics/define-topic.ts';
import { tokenGrant, tokenRequest } from '../../protocol/topics/tokens.ts';
import type { Journal } from '../desired/journal.ts';
import type { Link } from '../link/link.ts';
import type { TokenRequest, TokenSource } from './volume-plugin.ts';

/**
 * The service-account tokens of this device's pods: asked of the server, kept on disk so that a pod starts with the
 * last one when nobody can be reached, and asked for anew at four fifths of their life. An expired token is handed
 * out all the same: there is no better one.
 */
export interface PodTokens extends TokenSource, Disposable {
  /** Where the API is that a pod's token is for; undefined for a pod that has none. */
  apiPort(podUid: string): number | undefined;
}

export interface PodTokensOptions {
  link: Link;
  journal: Journal;
  clock: Clock;
  random: Random;
  log: Logger;
  /** A pod's token was replaced. */
  onChange: (podUid: string) => void;
}

const keyPrefix = 'token/';
/** How long a pod that has no token yet waits before it says so. */
const firstTokenMs = 20_000;
const refreshFraction = 0.8;
const refreshMsMax = 24 * 3600 * 1000;
const jitterFraction = 0.05;
const answerBackoff = { baseMs: 10_000, capMs: 300_000 };

interface Held {
  token: string;
  issuedAtMs: number;
  expiresAtMs: number;
  apiPort: number;
}

interface Tracked {
  request: TokenRequest;
  /** To ask, or to ask again. */
  timer: Timer | undefined;
  asked: number;
  waiters: { resolve: (token: string) => void; reject: (error: Error) => void }[];
}

export function openPodTokens(options: PodTokensOptions): PodTokens {
  return new Tokens(options);
}

class Tokens implements PodTokens {
  readonly #options: PodTokensOptions;
  readonly #tracked = new Map<string, Tracked>();
  readonly #subscriptions = new DisposableStack();

  constructor(options: PodTokensOptions) {
    this.#options = options;
    this.#subscriptions.use(options.link.on(tokenGrant, (message) => this.#onGrant(message)));
    this.#subscriptions.use(options.link.onConnected(() => this.#askAll()));
  }

  digest(request: TokenRequest): string | undefined {
    const held = this.#held(keyOf(request));
    return held && createHash('sha256').update(held.token).digest('hex');
  }

  async token(request: TokenRequest, signal: AbortSignal): Promise<string> {
    const tracked = this.#track(request);
    const held = this.#held(keyOf(request));
    if (held) return held.token;
    const waiting = Promise.withResolvers<string>();
    tracked.waiters.push(waiting);
    const giveUp = (why: string) => waiting.reject(new Error(`failed to fetch token: ${why}`));
    const timer = this.#options.clock.after(firstTokenMs, () => giveUp('the server has not answered'));
    const onAbort = () => giveUp('no longer wanted');
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await waiting.promise;
    } finally {
      timer.cancel();
      signal.removeEventListener('abort', onAbort);
      tracked.waiters = tracked.waiters.filter((other) => other !== waiting);
    }
  }

  pods(): string[] {
    const keys = [...this.#options.journal.entries.keys()].filter((key) => key.startsWith(keyPrefix));
    return [...new Set(keys.map((key) => key.split('/')[1] ?? ''))];
  }

  apiPort(podUid: string): number | undefined {
    const prefix = `${keyPrefix}${podUid}/`;
    for (const [key, held] of this.#options.journal.entries)
      if (key.startsWith(prefix)) return (held as Held).apiPort;
    return undefined;
  }

  async forget(podUid: string): Promise<void> {
    const { journal } = this.#options;
    const prefix = `${keyPrefix}${podUid}/`;
    for (const [key, { timer }] of this.#tracked) {
      if (!key.startsWith(prefix)) continue;
      timer?.cancel();
      this.#tracked.delete(key);
    }
    const keys = [...journal.entries.keys()].filter((key) => key.startsWith(prefix));
    if (keys.length > 0) await journal.write(keys.map((key) => ({ key, value: undefined })));
  }

  [Symbol.dispose](): void {
    this.#subscriptions.dispose();
    for (const { timer } of this.#tracked.values()) timer?.cancel();
    this.#tracked.clear();
  }

  #track(request: TokenRequest): Tracked {
    const key = keyOf(request);
    const known = this.#tracked.get(key);
    if (known) return known;
    const tracked: Tracked = { request, timer: undefined, asked: 0, waiters: [] };
    this.#tracked.set(key, tracked);
    const held = this.#held(key);
    this.#askAfter(tracked, held ? this.#dueMs(held) : 0);
    return tracked;
  }

  /** Of a token from the disk: by the wall clock, and at once when that cannot be right. */
  #dueMs({ issuedAtMs, expiresAtMs }: Held): number {
    const now = this.#options.clock.now();
    if (now < issuedAtMs || now > expiresAtMs) return 0;
    return Math.max(0, issuedAtMs + lifeMs({ issuedAtMs, expiresAtMs }) - now);
  }

  #askAfter(tracked: Tracked, delayMs: number): void {
    tracked.timer?.cancel();
    if (delayMs === 0) return this.#ask(tracked);
    tracked.timer = this.#options.clock.after(delayMs, () => this.#ask(tracked), { unref: true });
  }

  #askAll(): void {
    for (const tracked of this.#tracked.values()) if (tracked.asked > 0) this.#ask(tracked);
  }

  /** Until it is answered; while there is no connection the next one asks. */
  #ask(tracked: Tracked): void {
    const { link, random } = this.#options;
    link.send(tokenRequest, tracked.request);
    tracked.asked += 1;
    this.#askAfter(tracked, backoffMs(tracked.asked, { ...answerBackoff, jitter: random }) + 1);
  }

  async #onGrant({ answer, ...request }: Message<typeof tokenGrant>): Promise<void> {
    const { journal, clock, random, log, onChange } = this.#options;
    const key = keyOf(request);
    const tracked = this.#tracked.get(key);
    if (!tracked) return;
    if (answer.type === 'refused') {
      log.warn('the server gives no token for a pod', { pod: request.podUid, why: answer.message });
      for (const { reject } of tracked.waiters) reject(new Error(`failed to fetch token: ${answer.message}`));
      return;
    }
    const { token, issuedAtMs, expiresAtMs, apiPort } = answer;
    await journal.write([{ key, value: { token, issuedAtMs, expiresAtMs, apiPort } }]);
    if (this.#tracked.get(key) !== tracked) return;
    tracked.asked = 0;
    tracked.timer?.cancel();
    const delayMs = lifeMs(answer) * (1 - jitterFraction * random.fraction());
    tracked.timer = clock.after(delayMs, () => this.#ask(tracked), { unref: true });
    for (const { resolve } of tracked.waiters) resolve(token);
    onChange(request.podUid);
  }

  #held(key: string): Held | undefined {
    return this.#options.journal.entries.get(key) as Held | undefined;
  }
}

/** How much of a token's life is used before the next is asked for. */
function lifeMs({ issuedAtMs, expiresAtMs }: Pick<Held, 'issuedAtMs' | 'expiresAtMs'>): number {
  return Math.min((expiresAtMs - issuedAtMs) * refreshFraction, refreshMsMax);
}

function keyOf({ podUid, audience, expirationSeconds }: TokenRequest): string {
  return `${keyPrefix}${podUid}/${expirationSeconds}/${audience}`;
}
