import assert from 'node:assert/strict';
import { readdir, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { loadDeviceIdentity } from '../../agent/link/device-identity.ts';
import { createDialer } from '../../agent/link/dialer.ts';
import { LinkError, type LinkErrorCode } from '../../agent/link/link-error.ts';
import { createMqttLink } from '../../agent/link/mqtt-link.ts';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { systemRandom } from '../../lib/random.ts';
import { nodeKind } from '../../protocol/kinds/node.ts';
import { ask } from '../../protocol/topics/sync.ts';
import { eventually } from '../support/eventually.ts';
import { startJoinServer } from '../support/join-harness.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { makeIdentity } from '../support/test-identity.ts';

/** Joining with everything real but the store: TLS sockets, the broker, the registry, files. */
function refusal(code: LinkErrorCode, message?: RegExp) {
  return (error: unknown) => {
    assert(error instanceof LinkError, String(error));
    assert.equal(error.code, code, error.message);
    if (message) assert.match(error.message, message);
    return true;
  };
}

/** A device's wall clock apart from its timers. */
function clockAt(now: () => number) {
  return { ...systemClock, now };
}

describe('a device with a token', { timeout: 60_000 }, () => {
  it('joins, keeps its identity to itself, and connects as that node', async () => {
    await using subject = await startJoinServer();
    const directory = join(await subject.newDirectory(), 'identity');
    const identity = await subject.join({ token: await subject.token(), node: 'pi.kitchen', directory });
    assert.deepEqual([identity.cluster, identity.node], ['c1', 'pi.kitchen']);
    for (const file of await readdir(directory)) {
      assert.equal((await stat(join(directory, file))).mode & 0o777, 0o600, file);
    }
    assert.deepEqual(await loadDeviceIdentity(directory), identity);
    await using link = createMqttLink({
      cluster: identity.cluster,
      node: identity.node,
      dial: createDialer({
        server: subject.server,
        credentials: async () => identity,
        clockTrusted: () => true,
        clock: systemClock,
      }),
      clock: systemClock,
      random: systemRandom,
      log: silentLogger,
    });
    const asked: string[] = [];
    link.on(ask, ({ request }) => void asked.push(request));
    link.start();
    await eventually(() => subject.bus.connectedNodes().includes('pi.kitchen'), 'it connects');
    await subject.bus.publish(ask, { node: 'pi.kitchen' }, { request: 'r1' });
    await eventually(() => asked.length === 1, 'the server reaches it');
  });

  it('resumes its TLS session, and is still known by its certificate', async () => {
    await using subject = await startJoinServer();
    const identity = await subject.join({ token: await subject.token(), node: 'a' });
    const sockets: TLSSocket[] = [];
    const resumed: boolean[] = [];
    const dial = createDialer({
      server: subject.server,
      credentials: async () => identity,
      clockTrusted: () => true,
      clock: systemClock,
    });
    await using link = createMqttLink({
      cluster: 'c1',
      node: 'a',
      dial: async (signal) => {
        const socket = (await dial(signal)) as TLSSocket;
        sockets.push(socket);
        resumed.push(socket.isSessionReused());
        return socket;
      },
      clock: systemClock,
      random: systemRandom,
      log: silentLogger,
      limits: { reconnectMinMs: 5 },
    });
    link.start();
    await eventually(() => subject.bus.connectedNodes().length === 1, 'it connects');
    sockets[0]?.destroy();
    await eventually(() => sockets.length === 2 && subject.bus.connectedNodes().length === 1, 'it is back');
    assert.deepEqual(resumed, [false, true]);
  });

  it('is told when the token is no token, unknown, or has a wrong secret', async () => {
    await using subject = await startJoinServer();
    const [id = '', secret = '', pin = ''] = (await subject.token()).split('.');
    const wrong = secret.replace(/^./, (first) => (first === 'a' ? 'b' : 'a'));
    await assert.rejects(() => subject.join({ token: 'hello', node: 'a' }), refusal('MalformedToken'));
    await assert.rejects(
      () => subject.join({ token: `${id}.${wrong}.${pin}`, node: 'a' }),
      refusal('TokenUnknown'),
    );
    await assert.rejects(
      () => subject.join({ token: `zzzzzz.${secret}.${pin}`, node: 'a' }),
      refusal('TokenUnknown'),
    );
    assert.equal((await subject.join({ token: ` ${id}.${secret}.${pin}\n`, node: 'a' })).node, 'a');
  });

  it('is told when the token has expired', async () => {
    const clock = new ManualClock();
    await using subject = await startJoinServer({ clock: { ...systemClock, now: () => clock.now() } });
    const token = await subject.token({ ttlMs: 60_000 });
    await subject.join({ token, node: 'a' });
    clock.jumpWall(61_000);
    await assert.rejects(
      () => subject.join({ token, node: 'b' }),
      refusal('TokenExpired', /expired at 2026-.* flotilla token create/),
    );
  });

  it('is told when a token for one device was used by another', async () => {
    await using subject = await startJoinServer();
    const token = await subject.token({ singleUse: true });
    const directory = await subject.newDirectory();
    const first = await subject.join({ token, node: 'a', directory });
    await assert.rejects(() => subject.join({ token, node: 'b' }), refusal('TokenUsed', /has been used/));
    await assert.rejects(() => subject.join({ token, node: 'a' }), refusal('TokenUsed'));
    const again = await subject.join({ token, node: 'a', directory });
    assert.equal(again.key, first.key);
  });

  it('wins alone among many that try one single-use token at once', async () => {
    await using subject = await startJoinServer();
    const token = await subject.token({ singleUse: true });
    const attempts = Array.from({ length: 8 }, (_, index) => subject.join({ token, node: `n${index}` }));
    const results = await Promise.allSettled(attempts);
    const refused = results.flatMap((result) =>
      result.status === 'rejected' ? [result.reason as unknown] : [],
    );
    assert.equal(refused.length, 7);
    for (const error of refused) assert(refusal('TokenUsed')(error));
  });

  it('is told when the token is for other names, or the name is none', async () => {
    await using subject = await startJoinServer();
    const token = await subject.token({ nodes: 'edge-*' });
    await assert.rejects(() => subject.join({ token, node: 'pi' }), refusal('NameNotAllowed', /edge-\*/));
    await assert.rejects(
      () => subject.join({ token, node: 'Edge_1' }),
      refusal('BadRequest', /not a node name/),
    );
    assert.equal((await subject.join({ token, node: 'edge-1' })).node, 'edge-1');
  });

  it('cannot take the name of a node that exists, unless the token or the admin says so', async () => {
    await using subject = await startJoinServer();
    const token = await subject.token();
    const old = await subject.join({ token, node: 'a' });
    await assert.rejects(
      () => subject.join({ token, node: 'a' }),
      refusal('NameTaken', /kubectl delete node a.*--allow-rejoin/),
    );
    const second = await subject.join({ token: await subject.token({ allowRejoin: true }), node: 'a' });
    await assert.rejects(() => firstConnection(subject, old), refusal('Refused'));
    await firstConnection(subject, second);
    await subject.registry.delete(nodeKind, { name: 'a' });
    const third = await subject.join({ token, node: 'a' });
    await assert.rejects(() => firstConnection(subject, second), refusal('Refused'));
    await firstConnection(subject, third);
  });

  it('tells a server of another cluster nothing', async () => {
    await using subject = await startJoinServer();
    await using foreign = await makeIdentity();
    const token = await subject.token();
    let heard = 0;
    const impostor = createTlsServer({
      ...foreign.identity.server,
      requestCert: true,
      rejectUnauthorized: false,
    });
    impostor.on('secureConnection', (socket) => {
      socket.on('error', () => {});
      socket.on('data', (data) => {
        heard += data.length;
      });
    });
    const port = await listening(impostor);
    const attempt = subject.join({ token, node: 'a', server: { host: '127.0.0.1', port } });
    await assert.rejects(() => attempt, refusal('PinMismatch', /its CA is another one/));
    assert.equal(heard, 0);
    impostor.close();
  });

  it('is not deceived by a device that plays the server', async () => {
    await using subject = await startJoinServer();
    const token = await subject.token();
    const device = subject.keys.device('rogue');
    const impostor = createTlsServer({ key: device.key, cert: device.cert + device.ca });
    impostor.on('secureConnection', (socket) => socket.on('error', () => {}));
    const port = await listening(impostor);
    const attempt = subject.join({ token, node: 'a', server: { host: '127.0.0.1', port } });
    await assert.rejects(() => attempt, refusal('UntrustedServer'));
    impostor.close();
  });

  it('is told when the server cannot be reached or does not answer', async () => {
    await using subject = await startJoinServer();
    const token = await subject.token();
    const mute = createServer((socket) => socket.on('error', () => {}));
    const port = await listening(mute);
    const unreachable = { host: '127.0.0.1', port: 1 };
    await assert.rejects(
      () => subject.join({ token, node: 'a', server: unreachable }),
      refusal('Unreachable', /127\.0\.0\.1:1/),
    );
    const limits = { dialTimeoutMs: 100 };
    await assert.rejects(
      () => subject.join({ token, node: 'a', server: { host: '127.0.0.1', port }, limits }),
      refusal('Timeout'),
    );
    mute.close();
  });

  it('has to wait after too many wrong tokens from its address', async () => {
    await using subject = await startJoinServer();
    const token = await subject.token();
    const wrong = `zzzzzz.aaaaaaaaaaaaaaaa.${token.split('.')[2] ?? ''}`;
    for (let attempt = 0; attempt < 20; attempt++) {
      await assert.rejects(() => subject.join({ token: wrong, node: 'a' }), refusal('TokenUnknown'));
    }
    await assert.rejects(() => subject.join({ token, node: 'a' }), refusal('TooManyAttempts'));
  });

  it('joins and connects with its clock at 1970, and minds the dates once it trusts its clock', async () => {
    await using subject = await startJoinServer();
    const token = await subject.token();
    const clock = clockAt(() => 1000);
    await assert.rejects(
      () => subject.join({ token, node: 'a', clock }),
      refusal('ServerCertificateExpired'),
    );
    const identity = await subject.join({ token, node: 'a', clock, clockTrusted: () => false });
    await firstConnection(subject, identity, { clock, trusted: false });
    await assert.rejects(
      () => firstConnection(subject, identity, { clock, trusted: true }),
      refusal('ServerCertificateExpired'),
    );
  });

  it('says what to do when its own files are broken', async () => {
    await using subject = await startJoinServer();
    const directory = await subject.newDirectory();
    assert.equal(await loadDeviceIdentity(directory), undefined);
    await subject.join({ token: await subject.token(), node: 'a', directory });
    await writeFile(join(directory, 'identity.json'), '{"cluster":');
    await assert.rejects(() => loadDeviceIdentity(directory), refusal('BadIdentity', /join again/));
    await writeFile(join(directory, 'device.key'), 'nonsense');
    const token = await subject.token();
    await assert.rejects(
      () => subject.join({ token, node: 'a', directory }),
      refusal('BadIdentity', /device\.key/),
    );
  });
});

async function firstConnection(
  subject: Awaited<ReturnType<typeof startJoinServer>>,
  identity: { cluster: string; node: string; key: string; cert: string; ca: string },
  { clock = systemClock, trusted = true } = {},
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const link = createMqttLink({
    cluster: identity.cluster,
    node: identity.node,
    dial: createDialer({
      server: subject.server,
      credentials: async () => identity,
      clockTrusted: () => trusted,
      clock,
    }),
    clock,
    random: systemRandom,
    log: { ...silentLogger, warn: (_message, fields) => reject(fields?.['error']) },
  });
  link.onConnected(() => resolve());
  link.start();
  try {
    await promise;
  } finally {
    await link[Symbol.asyncDispose]();
  }
}

async function listening(server: ReturnType<typeof createServer>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}
