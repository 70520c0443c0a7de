import assert from 'node:assert/strict';
import type { Duplex } from 'node:stream';
import { describe, it } from 'node:test';
import { LinkError } from '../../../../agent/link/link-error.ts';
import { createMqttLink } from '../../../../agent/link/mqtt-link.ts';
import { systemClock } from '../../../../lib/clock.ts';
import { silentLogger } from '../../../../lib/log.ts';
import type { Random } from '../../../../lib/random.ts';
import { type Limits, limits } from '../../../../protocol/limits.ts';
import { gone } from '../../../../protocol/topics/sync.ts';
import { startEmbeddedBroker } from '../../../../server/bus/embedded-broker.ts';
import { eventually } from '../../../support/eventually.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { socketPair } from '../../../support/socket-pair.ts';

/** Always the longest delay that jitter may choose. */
const longest: Random = { fraction: () => 1, bytes: (count) => new Uint8Array(count) };

async function start(overrides: Partial<Limits> = {}) {
  const bus = await startEmbeddedBroker({
    cluster: 'c1',
    authenticator: { device: async () => true, join: async () => 'refused' },
    clock: systemClock,
    log: silentLogger,
  });
  const clock = new ManualClock();
  const dials: number[] = [];
  const network = {
    mode: 'up' as 'up' | 'down' | 'mute',
    streams: [] as Duplex[],
    brokerEnds: [] as Duplex[],
  };
  const link = createMqttLink({
    cluster: 'c1',
    node: 'a',
    dial: async () => {
      dials.push(clock.monotonic());
      if (network.mode === 'down') throw new LinkError('Unreachable', 'no route');
      const [device, broker] = socketPair();
      network.streams.push(device);
      network.brokerEnds.push(broker);
      if (network.mode === 'up') bus.attach(broker, { node: 'a' });
      return device;
    },
    connectionsBefore: 7_000_000,
    clock,
    random: longest,
    log: silentLogger,
    limits: overrides,
  });
  return {
    bus,
    clock,
    dials,
    network,
    link,
    async connected() {
      link.start();
      await eventually(() => link.connected, 'the link connects');
    },
    async [Symbol.asyncDispose]() {
      for (const stream of network.streams) stream.destroy();
      await link[Symbol.asyncDispose]();
      await bus[Symbol.asyncDispose]();
    },
  };
}

describe('a link', () => {
  it('tries again for ever, waiting longer each time up to a minute', async () => {
    await using subject = await start();
    subject.network.mode = 'down';
    subject.link.start();
    await subject.clock.advance(300_000);
    const waits = subject.dials.slice(1).map((at, index) => at - (subject.dials[index] ?? 0));
    assert.deepEqual(waits.slice(0, 9), [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
    subject.network.mode = 'up';
    await subject.clock.advance(subject.clock.nextDelay ?? 0);
    await eventually(() => subject.link.connected, 'it connects at last');
  });

  it('does not come back at full speed when its connections do not last', async () => {
    await using subject = await start();
    await subject.connected();
    for (let round = 0; round < 4; round++) {
      const before = subject.dials.length;
      subject.network.streams.at(-1)?.destroy();
      await eventually(() => !subject.link.connected && subject.clock.nextDelay !== undefined, 'it waits');
      await subject.clock.advance(subject.clock.nextDelay ?? 0);
      await eventually(() => subject.link.connected && subject.dials.length === before + 1, 'it is back');
    }
    const waits = subject.dials.slice(1).map((at, index) => at - (subject.dials[index] ?? 0));
    assert.deepEqual(waits, [1000, 2000, 4000, 8000]);
  });

  it('counts its connections from where it was told, in the will too', async () => {
    await using subject = await start();
    const numbers: number[] = [];
    const wills: number[] = [];
    subject.link.onConnected((connection) => void numbers.push(connection));
    subject.bus.subscribe(gone, ({ connection }) => void wills.push(connection));
    await subject.connected();
    subject.network.streams[0]?.destroy();
    await eventually(() => wills.length === 1, 'the will');
    assert.deepEqual([numbers, wills], [[7_000_001], [7_000_001]]);
  });

  it('cuts a connection on which no answer comes', async () => {
    await using subject = await start();
    await subject.connected();
    const reasons: string[] = [];
    subject.link.onDisconnected((reason) => void reasons.push(reason));
    const [brokerEnd] = subject.network.brokerEnds;
    assert(brokerEnd);
    brokerEnd.read = () => null;
    assert(subject.link.send(gone, { connection: 1 }));
    await eventually(() => subject.clock.nextDelay === limits.answerTimeoutMs, 'an answer is awaited');
    await subject.clock.advance(limits.answerTimeoutMs - 1);
    assert.deepEqual(reasons, []);
    await subject.clock.advance(1);
    await eventually(() => reasons.length === 1, 'it is cut');
    assert.match(reasons[0] ?? '', /stopped answering/);
  });

  it('cuts an attempt at which the broker says nothing', async () => {
    await using subject = await start();
    subject.network.mode = 'mute';
    subject.link.start();
    await eventually(() => subject.dials.length === 1, 'it dials');
    await subject.clock.advance(limits.answerTimeoutMs + limits.reconnectMinMs);
    await eventually(() => subject.dials.length === 2, 'it dials again');
  });

  it('keeps only so much unacknowledged, and says so', async () => {
    await using subject = await start({ inFlightMessagesMax: 5 });
    await subject.connected();
    const results = Array.from({ length: 8 }, () => subject.link.send(gone, { connection: 1 }));
    assert.deepEqual(results, [true, true, true, true, true, false, false, false]);
    await eventually(() => subject.link.send(gone, { connection: 1 }), 'there is room again');
  });

  it('sends nothing while it is not connected', async () => {
    await using subject = await start();
    assert.equal(subject.link.send(gone, { connection: 1 }), false);
  });

  it('has a stream connection only while it is used, and a minute longer', async () => {
    await using subject = await start();
    await subject.connected();
    const first = await subject.link.openStreams();
    const second = await subject.link.openStreams();
    assert.equal(subject.network.streams.length, 2);
    const stream = subject.network.streams[1];
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    await subject.clock.advance(limits.streamIdleMs);
    assert.equal(stream?.destroyed, false);
    second[Symbol.dispose]();
    await subject.clock.advance(limits.streamIdleMs - 1);
    assert.equal(stream?.destroyed, false);
    await subject.clock.advance(1);
    await eventually(() => stream?.destroyed ?? false, 'it closes');
    using _again = await subject.link.openStreams();
    assert.equal(subject.network.streams.length, 3);
    assert(subject.link.connected);
  });

  it('tells when a stream connection cannot be made', async () => {
    await using subject = await start();
    await subject.connected();
    subject.network.mode = 'down';
    await assert.rejects(() => subject.link.openStreams(), LinkError);
    subject.network.mode = 'up';
    using _streams = await subject.link.openStreams();
  });

  it('ends at once, also in the middle of an attempt', async () => {
    await using subject = await start();
    subject.network.mode = 'mute';
    subject.link.start();
    await eventually(() => subject.dials.length === 1, 'it dials');
    await subject.link[Symbol.asyncDispose]();
  });
});
