import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { FramePace } from '../../../../agent/streams/frame-pace.ts';
import { OutputFrames } from '../../../../agent/streams/output-frames.ts';
import { limits } from '../../../../protocol/limits.ts';
import { SendWindow } from '../../../../protocol/stream-window.ts';
import { ManualClock, settle } from '../../../support/manual-clock.ts';

function open() {
  const clock = new ManualClock();
  const window = new SendWindow();
  const frames: { channel: string; text: string }[] = [];
  const output = new OutputFrames({
    window,
    pace: new FramePace(clock),
    clock,
    sendFrame: (channel, data) => {
      frames.push({ channel, text: Buffer.from(data).toString('latin1') });
      window.add(data.length);
    },
  });
  return { clock, window, frames, output };
}

test('the first piece goes at once, what follows within a moment goes as one frame', async () => {
  const { clock, frames, output } = open();
  await output.send('stdout', Buffer.from('a'));
  assert.equal(frames.length, 1);
  for (const letter of 'bcd') await output.send('stdout', Buffer.from(letter));
  await settle();
  assert.equal(frames.length, 1);
  await clock.advance(limits.streamJoinMs);
  assert.deepEqual(
    frames.map(({ text }) => text),
    ['a', 'bcd'],
  );
});

test('whatever is sent arrives whole and in its order, in frames that fit', async () => {
  const piece = fc.record({
    channel: fc.constantFrom('stdout' as const, 'stderr' as const),
    length: fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 40_000 })),
    pauseMs: fc.constantFrom(0, 0, 1, 10),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 30 }), async (pieces) => {
      const { clock, frames, output } = open();
      const said: string[] = [];
      for (const [index, { channel, length, pauseMs }] of pieces.entries()) {
        const letter = String.fromCharCode(97 + (index % 26));
        said.push(...(length > 0 ? [`${channel} ${letter.repeat(length)}`] : []));
        await output.send(channel, Buffer.from(letter.repeat(length)));
        if (pauseMs > 0) await clock.advance(pauseMs);
      }
      await output.flush();
      const joined = (parts: { channel: string; text: string }[]) => {
        const runs: { channel: string; text: string }[] = [];
        for (const part of parts) {
          const last = runs.at(-1);
          if (last?.channel === part.channel) last.text += part.text;
          else runs.push({ ...part });
        }
        return runs;
      };
      const expected = said.map((words) => ({ channel: words.slice(0, 6), text: words.slice(7) }));
      assert.deepEqual(joined(frames), joined(expected));
      assert.ok(frames.every(({ text }) => text.length <= limits.streamFrameBytesMax));
    }),
    { numRuns: 50 },
  );
});

test('a stream that breaks fails who sends', async () => {
  const { window, output } = open();
  window.fail(new Error('gone'));
  await assert.rejects(output.send('stdout', Buffer.from('a')), /gone/);
  await assert.rejects(output.flush(), /gone/);
});

test('all streams together stay below what the broker takes, however many write', async () => {
  const clock = new ManualClock();
  const pace = new FramePace(clock);
  let taken = 0;
  for (let frame = 0; frame < 4 * limits.streamFramesPerSecondMax; frame++)
    void pace.take().then(() => (taken += 1));
  await settle();
  const atOnce = taken;
  await clock.advance(1_000);
  assert.ok(atOnce <= limits.streamFramesPerSecondMax, String(atOnce));
  assert.ok(taken - atOnce <= limits.streamFramesPerSecondMax + 1, String(taken));
  assert.ok(taken - atOnce >= limits.streamFramesPerSecondMax * 0.9, String(taken));
});
