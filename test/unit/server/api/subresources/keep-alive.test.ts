import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { apiLimits } from '../../../../../server/api/api-limits.ts';
import { keepAlive } from '../../../../../server/api/subresources/upgrade.ts';
import { eventually } from '../../../../support/eventually.ts';
import { ManualClock } from '../../../../support/manual-clock.ts';

async function pair(): Promise<{ near: Socket; far: Socket } & AsyncDisposable> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const far = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [near] = await accepted;
  near.resume();
  return {
    near,
    far,
    async [Symbol.asyncDispose]() {
      near.destroy();
      far.destroy();
      await once(server.close(), 'close');
    },
  };
}

test('a client that answers nothing is cut off in the end, and is spoken to until then', async () => {
  await using sockets = await pair();
  const { near } = sockets;
  const clock = new ManualClock();
  let said = 0;
  using _alive = keepAlive({ clock, socket: near }, () => (said += 1));
  await clock.advance(apiLimits.silentClientMs - 1);
  assert.equal(near.destroyed, false);
  assert.ok(said > 10);
  await clock.advance(apiLimits.streamPingMs);
  assert.equal(near.destroyed, true);
});

test('a client that answers, or is not read, is left alone', async () => {
  await using sockets = await pair();
  const { near, far } = sockets;
  const clock = new ManualClock();
  using _alive = keepAlive({ clock, socket: near }, () => {});
  await clock.advance(apiLimits.silentClientMs - 1);
  far.write('pong');
  await eventually(() => near.bytesRead === 4, 'an answer');
  await clock.advance(apiLimits.silentClientMs - 1);
  assert.equal(near.destroyed, false);
  near.pause();
  await clock.advance(2 * apiLimits.silentClientMs);
  assert.equal(near.destroyed, false);
});
