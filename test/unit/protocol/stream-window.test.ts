import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits } from '../../../protocol/limits.ts';
import { ReceiveWindow, SendWindow, sendWindowed } from '../../../protocol/stream-window.ts';
import { settle } from '../../support/manual-clock.ts';

test('a sender stops at its window and goes on when credit comes back', async () => {
  const window = new SendWindow();
  let sent = 0;
  const done = sendWindowed(window, new Uint8Array(limits.streamWindowBytes + 1000), (part) => {
    assert.ok(part.length <= limits.streamFrameBytesMax);
    sent += part.length;
  });
  await settle();
  assert.equal(sent, limits.streamWindowBytes);
  window.add(1000);
  await done;
  assert.equal(sent, limits.streamWindowBytes + 1000);
});

test('a window that failed rejects whoever waits and whoever comes', async () => {
  const window = new SendWindow();
  await sendWindowed(window, new Uint8Array(limits.streamWindowBytes), () => {});
  const waiting = window.take(1);
  window.fail(new Error('gone'));
  await assert.rejects(waiting, /gone/);
  await assert.rejects(window.take(1), /gone/);
});

test('credit beyond a window is not believed', async () => {
  const window = new SendWindow();
  window.add(10 * limits.streamWindowBytes);
  let sent = 0;
  void sendWindowed(window, new Uint8Array(2 * limits.streamWindowBytes), (part) => {
    sent += part.length;
  }).catch(() => {});
  await settle();
  assert.equal(sent, limits.streamWindowBytes);
});

test('a receiver grants credit in halves and notices a sender that ignores its window', () => {
  const window = new ReceiveWindow();
  const half = limits.streamWindowBytes / 2;
  assert.equal(window.arrived(limits.streamWindowBytes), true);
  assert.equal(window.consumed(half - 1), 0);
  assert.equal(window.consumed(1), half);
  assert.equal(window.arrived(half), true);
  assert.equal(window.arrived(1), false);
});
