import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { DeviceStream } from '../../../../agent/streams/device-stream.ts';
import { FramePace } from '../../../../agent/streams/frame-pace.ts';
import { limits } from '../../../../protocol/limits.ts';
import type { StreamFrame } from '../../../../protocol/topics/streams.ts';
import { BusStream } from '../../../../server/nodes/bus-stream.ts';
import { ManualClock, settle } from '../../../support/manual-clock.ts';

/** What the schema lets through, in any order; what it does not never gets to a stream. */
const frame: fc.Arbitrary<StreamFrame> = fc.oneof(
  fc.record({ type: fc.constant('ready' as const), status: fc.nat(), contentType: fc.string() }),
  fc.record({
    type: fc.constant('data' as const),
    channel: fc.constantFrom('stdin' as const, 'stdout' as const, 'stderr' as const),
    data: fc.nat(limits.streamFrameBytesMax).map((length) => new Uint8Array(length)),
  }),
  fc.record({ type: fc.constant('credit' as const), bytes: fc.maxSafeNat() }),
  fc.constant({ type: 'alive' as const }),
  fc.record({ type: fc.constant('resize' as const), columns: fc.maxSafeNat(), rows: fc.maxSafeNat() }),
  fc.constant({ type: 'end' as const }),
  fc.record(
    { type: fc.constant('close' as const), exitCode: fc.double(), error: fc.string() },
    { requiredKeys: ['type'] },
  ),
);
const frames = fc.array(frame, { maxLength: 60 });

test('whatever a server sends, a stream of the device ends orderly and holds no more than its windows', async () => {
  await fc.assert(
    fc.asyncProperty(frames, async (received) => {
      const clock = new ManualClock();
      let sentBytes = 0;
      let closed = 0;
      const stream = new DeviceStream({
        clock,
        pace: new FramePace(clock),
        sendFrame: (sent) => {
          if (sent.type === 'data') sentBytes += sent.data.length;
          if (sent.type === 'close') closed += 1;
          return true;
        },
      });
      const over = stream.run(async (io) => {
        io.ready();
        io.onResize(() => {});
        const said = io.send('stdout', new Uint8Array(4 * limits.streamWindowBytes)).catch(() => {});
        for await (const data of io.input()) assert.ok(data.length <= limits.streamFrameBytesMax);
        await said;
      });
      for (const each of received) stream.receive(each);
      await settle();
      const credits = received.filter(({ type }) => type === 'credit').length;
      assert.ok(sentBytes <= (1 + credits) * limits.streamWindowBytes, `${sentBytes} bytes`);
      stream.receive({ type: 'close' });
      await over;
      assert.ok(closed <= 1);
      for (const each of received) stream.receive(each);
      await clock.advance(2 * limits.streamSilenceMs);
      assert.ok(closed <= 1);
    }),
    { numRuns: 100 },
  );
});

test('whatever a device sends, a stream of the server ends once and holds no more than its window', async () => {
  await fc.assert(
    fc.asyncProperty(frames, async (received) => {
      const clock = new ManualClock();
      const { signal } = new AbortController();
      let finished = 0;
      const stream = new BusStream({
        node: 'n1',
        clock,
        signal,
        sendFrame: () => {},
        onFinished: () => (finished += 1),
      });
      const writing = stream.write(new Uint8Array(4 * limits.streamWindowBytes)).catch(() => {});
      for (const each of received) stream.receive(each);
      const kept = stream.output.size;
      assert.ok(kept <= received.length);
      let bytes = 0;
      const reading = (async () => {
        for await (const { data } of stream.output) bytes += data.length;
      })().catch(() => {});
      await settle();
      stream.finish({ error: 'the test is over' });
      await Promise.all([writing, reading]);
      assert.ok(bytes <= limits.streamWindowBytes, `${bytes} bytes`);
      for (const each of received) stream.receive(each);
      await clock.advance(2 * limits.streamSilenceMs);
      assert.equal(finished, 1);
    }),
    { numRuns: 100 },
  );
});
