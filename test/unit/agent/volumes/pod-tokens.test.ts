import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Journal, openJournal } from '../../../../agent/desired/journal.ts';
import type { Link, LinkHandler } from '../../../../agent/link/link.ts';
import { openPodTokens, type PodTokens } from '../../../../agent/volumes/pod-tokens.ts';
import { silentLogger } from '../../../../lib/log.ts';
import { seededRandom } from '../../../../lib/random.ts';
import type { Message, TopicDefinition } from '../../../../protocol/topics/define-topic.ts';
import { tokenGrant, tokenRequest } from '../../../../protocol/topics/tokens.ts';
import { MemoryDisk } from '../../../sim/memory-disk.ts';
import { ManualClock, settle } from '../../../support/manual-clock.ts';

const request = { podUid: 'p1', audience: '', expirationSeconds: 3600 };
const hour = 3_600_000;

/** A device whose link a test holds in its hands. */
class Bench {
  readonly clock = new ManualClock();
  readonly disk = new MemoryDisk();
  readonly asked: Message<typeof tokenRequest>[] = [];
  readonly changed: string[] = [];
  connected = true;
  tokens: PodTokens | undefined;
  journal: Journal | undefined;
  #grant: LinkHandler<typeof tokenGrant> = () => {};
  #onConnected: (connection: number) => void = () => {};

  async start(): Promise<PodTokens> {
    this.tokens?.[Symbol.dispose]();
    this.journal = await openJournal({ path: '/j', log: silentLogger, disk: this.disk });
    const nothing = { [Symbol.dispose]: () => {} };
    const link = {
      send: (topic: TopicDefinition, message: Message<typeof tokenRequest>) => {
        assert.equal(topic, tokenRequest);
        if (this.connected) this.asked.push(message);
        return this.connected;
      },
      on: (_topic: TopicDefinition, handler: LinkHandler<typeof tokenGrant>) => {
        this.#grant = handler;
        return nothing;
      },
      onConnected: (handler: (connection: number) => void) => {
        this.#onConnected = handler;
        return nothing;
      },
    } as unknown as Link;
    const { clock, journal } = this;
    const onChange = (uid: string) => this.changed.push(uid);
    const random = seededRandom(1);
    this.tokens = openPodTokens({ link, journal, clock, random, log: silentLogger, onChange });
    return this.tokens;
  }

  connect(): void {
    this.connected = true;
    this.#onConnected(1);
  }

  async grant(token: string): Promise<void> {
    const issuedAtMs = this.clock.now();
    const answer = {
      type: 'token',
      token,
      issuedAtMs,
      expiresAtMs: issuedAtMs + hour,
      apiPort: 6443,
    } as const;
    await this.#grant({ ...request, answer }, {});
    await settle();
  }
}

describe("pods' tokens", () => {
  const signal = new AbortController().signal;

  test('one is asked for, kept, and asked for anew at four fifths of its life', async () => {
    const bench = new Bench();
    const tokens = await bench.start();
    const first = tokens.token(request, signal);
    assert.deepEqual(bench.asked, [request]);
    await bench.grant('one');
    assert.equal(await first, 'one');
    await bench.clock.advance(0.7 * hour);
    assert.equal(bench.asked.length, 1, 'not before its time');
    const digest = tokens.digest(request);
    await bench.clock.advance(0.11 * hour);
    assert.ok(bench.asked.length > 1);
    assert.equal(await tokens.token(request, signal), 'one', 'the old one meanwhile');
    await bench.grant('two');
    assert.equal(await tokens.token(request, signal), 'two');
    assert.notEqual(tokens.digest(request), digest, 'the pod sees that it changed');
    assert.deepEqual(bench.changed, ['p1', 'p1']);
  });

  test('a start without a network hands out the last one, however old, and asks when there is a link', async () => {
    const bench = new Bench();
    const before = (await bench.start()).token(request, signal);
    await bench.grant('one');
    await before;
    await bench.clock.advance(5 * hour);
    bench.connected = false;
    bench.asked.length = 0;
    const tokens = await bench.start();
    assert.equal(await tokens.token(request, signal), 'one');
    assert.deepEqual(bench.asked, []);
    bench.connect();
    assert.deepEqual(bench.asked, [request]);
  });

  test('a question that is lost is asked again; a pod without any token says so after a while', async () => {
    const bench = new Bench();
    const tokens = await bench.start();
    const waiting = tokens.token(request, signal);
    const failed = assert.rejects(waiting, /failed to fetch token: the server has not answered/);
    await bench.clock.advance(25_000);
    await failed;
    assert.ok(bench.asked.length > 1);
  });

  test('tokens of a pod that is gone are forgotten', async () => {
    const bench = new Bench();
    const tokens = await bench.start();
    const first = tokens.token(request, signal);
    await bench.grant('one');
    await first;
    assert.equal(tokens.apiPort('p1'), 6443);
    await tokens.forget('p1');
    assert.deepEqual(
      [tokens.pods(), tokens.digest(request), tokens.apiPort('p1')],
      [[], undefined, undefined],
    );
    await bench.clock.advance(2 * hour);
    assert.equal(bench.asked.length, 1);
  });
});
