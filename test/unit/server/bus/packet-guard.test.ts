import assert from 'node:assert/strict';
import { duplexPair } from 'node:stream';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { type Limits, limits } from '../../../../protocol/limits.ts';
import { guardReads, PacketGuard } from '../../../../server/bus/packet-guard.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { packets } from '../../../support/raw-mqtt.ts';

const connect = packets.connect({ clientId: 'a' });

function makeGuard(overrides: Partial<Limits> = {}) {
  const clock = new ManualClock();
  const guard = new PacketGuard({ ...limits, ...overrides }, clock);
  return { clock, guard };
}

describe('the packet guard', () => {
  it('judges a stream of packets the same however it is cut', () => {
    const sizes = fc.array(fc.nat(300), { maxLength: 12 });
    fc.assert(
      fc.property(sizes, fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), (bodies, cuts) => {
        const stream = Buffer.concat([
          connect,
          ...bodies.map((size) => Buffer.concat([packets.header(0x30, size), Buffer.alloc(size, 0xff)])),
        ]);
        const { guard } = makeGuard({ packetsBurstMax: bodies.length + 1 });
        guard.admit();
        for (let at = 0, turn = 0; at < stream.length; turn++) {
          const size = cuts[turn % cuts.length] ?? 1;
          assert.equal(guard.inspect(stream.subarray(at, at + size)), undefined);
          at += size;
        }
        assert.equal(guard.inspect(packets.ping), 'too many packets');
      }),
      { numRuns: 60 },
    );
  });

  it('knows a length that is too large by its first bytes', () => {
    const { guard } = makeGuard();
    assert.equal(guard.inspect(Buffer.from([0x10, 0xff, 0xff])), 'packet too large');
    const late = makeGuard().guard;
    assert.equal(late.inspect(connect), undefined);
    assert.equal(
      late.inspect(packets.header(0x30, limits.packetBeforeConnectBytesMax + 1)),
      'packet too large',
    );
    const admitted = makeGuard().guard;
    admitted.inspect(connect);
    admitted.admit();
    assert.equal(admitted.inspect(packets.header(0x30, limits.packetBytesMax)), undefined);
  });

  it('gives back packets with time, up to the burst', async () => {
    const { clock, guard } = makeGuard({ packetsBurstMax: 10, packetsPerSecondMax: 2 });
    guard.inspect(connect);
    for (let index = 0; index < 9; index++) assert.equal(guard.inspect(packets.ping), undefined);
    assert.equal(guard.inspect(packets.ping), 'too many packets');
    await clock.advance(1000);
    assert.equal(guard.inspect(Buffer.concat([packets.ping, packets.ping])), undefined);
    assert.equal(guard.inspect(packets.ping), 'too many packets');
  });

  it('hands a reader everything that is buffered at once, since aedes reads once per event', async () => {
    const [device, broker] = duplexPair();
    guardReads(broker, makeGuard().guard, assert.fail);
    const seen: Uint8Array[] = [];
    broker.on('readable', () => {
      const chunk = broker.read() as Uint8Array | null;
      if (chunk) seen.push(chunk);
    });
    device.cork();
    for (const byte of connect) device.write(Uint8Array.of(byte));
    device.uncork();
    while (Buffer.concat(seen).length < connect.length) await new Promise(setImmediate);
    assert.deepEqual(Buffer.concat(seen), connect);
  });
});
