import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Limits, limits } from '../../../../protocol/limits.ts';
import { Outbox, type OutgoingPayload } from '../../../../server/bus/outbox.ts';

function makeOutbox(overrides: Partial<Limits> = {}, shared = { bytes: 0 }) {
  const sent: OutgoingPayload[] = [];
  const dones: (() => void)[] = [];
  const events: string[] = [];
  const outbox = new Outbox({
    limits: { ...limits, ...overrides },
    shared,
    send: (payload, done) => {
      sent.push(payload);
      dones.push(done);
    },
    onOverflow: () => void events.push('overflow'),
  });
  return { outbox, sent, dones, events, shared };
}

const payloads = (count: number, bytes: number) =>
  Array.from({ length: count }, (_, index) => ({
    topic: `t${index}`,
    qos: 1 as const,
    payload: new Uint8Array(bytes),
  }));

describe('what waits for one client', () => {
  it('goes out in order, a bounded part of it at a time', () => {
    const { outbox, sent, dones, shared } = makeOutbox({ sendingBytesMax: 2_500 });
    assert(outbox.push(payloads(6, 1_000)));
    assert.equal(sent.length, 2);
    while (dones.length > 0) dones.shift()?.();
    assert.deepEqual(
      sent.map(({ topic }) => topic),
      ['t0', 't1', 't2', 't3', 't4', 't5'],
    );
    assert.equal(shared.bytes, 0);
  });

  it('is dropped with the client when it is too much', () => {
    const { outbox, events } = makeOutbox({ outboundBytesPerClientMax: 5_000 });
    assert.equal(outbox.push(payloads(1, 200_000)), false);
    assert.deepEqual(events, ['overflow']);
  });

  it('takes no more when too much waits for all clients together', () => {
    const shared = { bytes: 0 };
    const options = { sendingBytesMax: 100, outboundBytesMax: 3_000 };
    const first = makeOutbox(options, shared);
    const second = makeOutbox(options, shared);
    assert(first.outbox.push(payloads(3, 900)));
    assert.equal(second.outbox.push(payloads(2, 900)), false);
    assert.deepEqual(second.events, []);
    first.outbox.close();
    assert.equal(shared.bytes, 0);
    assert(second.outbox.push(payloads(2, 900)));
    assert.equal(first.outbox.push(payloads(1, 1)), false);
  });
});
