import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { encodeMessage } from '../../protocol/codec.ts';
import { streamDown } from '../../protocol/topics/streams.ts';
import { ask, gone, roll, set } from '../../protocol/topics/sync.ts';
import {
  connack,
  controlFilters,
  digestPayload,
  down,
  hello,
  noise,
  refused,
  startBroker as start,
  up,
} from '../support/broker-harness.ts';
import { eventually } from '../support/eventually.ts';
import { packets, RawClient } from '../support/raw-mqtt.ts';
import { makeIdentity, type TestIdentity } from '../support/test-identity.ts';

/**
 * Every guard of the broker against a client that does what it must not, over real TLS sockets. After each attack
 * the broker still serves an honest device.
 */
const [gonePayload = new Uint8Array()] = encodeMessage(gone, { connection: 1 });
async function adminCertificate(keys: TestIdentity) {
  const [key, cert] = await Promise.all(
    ['admin.key', 'admin.crt'].map((name) => readFile(join(keys.directory, name), 'utf8')),
  );
  return { ca: keys.identity.caCertificate, key: key ?? '', cert: cert ?? '' };
}

describe('the broker', { timeout: 60_000 }, () => {
  it('cuts a CONNECT that declares 256 MB, before anything of it is kept', async () => {
    await using subject = await start();
    const client = await subject.anonymous();
    client.send(packets.header(0x10, 268_435_455));
    await client.closed();
    await subject.assertServes();
  });

  it('cuts a CONNECT above 4 KiB', async () => {
    await using subject = await start();
    const client = await subject.device('a');
    client.send(packets.connect({ clientId: 'a', username: 'x'.repeat(5000) }));
    await client.closed();
    assert.equal(client.received.length, 0);
  });

  it('cuts a packet above 256 KiB after CONNECT, and takes one just below', async () => {
    await using subject = await start();
    const client = await subject.connected('a');
    client.send(packets.publish(up('a', 'digest'), Buffer.alloc(255 * 1024)));
    client.send(packets.publish(up('a', 'digest'), digestPayload));
    await eventually(() => subject.digests.length === 1, 'the small one arrives');
    client.send(packets.header(0x30, 256 * 1024 + 1));
    await client.closed();
    await subject.assertServes();
  });

  it('takes a packet that comes in many pieces', async () => {
    await using subject = await start();
    const client = await subject.connected('a');
    for (const byte of packets.publish(up('a', 'digest'), digestPayload)) {
      client.socket.write(Uint8Array.of(byte));
      await new Promise(setImmediate);
    }
    await eventually(() => subject.digests.includes('a'), 'the message arrives');
  });

  it('cuts a length that never ends, a first packet that is not CONNECT, and noise', async () => {
    await using subject = await start();
    const attacks = [
      Buffer.from([0x10, 0x80, 0x80, 0x80, 0x80, 0x80]),
      packets.publish(up('a', 'digest'), digestPayload),
      packets.subscribe(['#']),
      packets.ping,
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      Buffer.alloc(1000, 0xff),
      Buffer.alloc(1000),
    ];
    for (const attack of attacks) {
      const client = await subject.device('a');
      client.send(attack);
      await client.closed();
    }
    const plain = await RawClient.plain(subject.bus.port);
    plain.send(packets.connect({ clientId: 'a' }));
    await plain.closed();
    await subject.assertServes();
  });

  it('cuts noise after a good CONNECT', async () => {
    await using subject = await start();
    for (const noise of [
      Buffer.alloc(200, 0xff),
      Buffer.from([0x00, 0x00]),
      Buffer.from([0x36, 0x02, 0, 0]),
    ]) {
      const client = await subject.connected('a');
      client.send(noise);
      await client.closed();
    }
    const twice = await subject.connected('a');
    twice.send(packets.connect({ clientId: 'a' }));
    await twice.closed();
    await subject.assertServes();
  });

  it('cuts a connection that says nothing, with and without TLS', async () => {
    await using subject = await start({ limits: { connectTimeoutMs: 200 } });
    const silent = await subject.device('a');
    const slow = await subject.device('b');
    slow.send(packets.connect({ clientId: 'b' }).subarray(0, 5));
    const plain = await RawClient.plain(subject.bus.port);
    await Promise.all([silent.closed(), slow.closed(), plain.closed()]);
    await subject.assertServes();
  });

  it('keeps other devices undisturbed by one that stops reading, and drops it', async () => {
    await using subject = await start({ limits: { drainTimeoutMs: 700 } });
    const frozen = await subject.connected('frozen');
    const lively = await subject.connected('lively');
    frozen.socket.pause();
    const put = [{ key: 'k', digest: hello.hash, object: { text: noise(400_000) } }];
    const message = {
      type: 'delta' as const,
      session: 's',
      epoch: 'e',
      from: 0,
      to: 1,
      hash: hello.hash,
      put,
      del: [],
    };
    for (let index = 0; index < 30; index++) await subject.bus.publish(set, { node: 'frozen' }, message);
    assert(subject.bus.connectedNodes().includes('frozen'));
    for (let index = 0; index < 50; index++) {
      await subject.bus.publish(ask, { node: 'lively' }, { request: `r${index}` });
      await lively.next(3);
    }
    assert(subject.bus.connectedNodes().includes('frozen'), 'all this while the other one is still frozen');
    await eventually(() => !subject.bus.connectedNodes().includes('frozen'), 'the frozen one is dropped');
    await subject.assertServes();
  });

  it('drops a device for which too much is waiting', async () => {
    await using subject = await start({ limits: { outboundBytesPerClientMax: 300_000 } });
    const frozen = await subject.connected('frozen');
    frozen.socket.pause();
    for (let index = 0; index < 40_000 && subject.bus.connectedNodes().length > 0; index++) {
      await subject.bus.publish(ask, { node: 'frozen' }, { request: noise(2000) + String(index) });
      if (index % 50 === 0) await new Promise(setImmediate);
    }
    await eventually(() => subject.bus.connectedNodes().length === 0, 'it is dropped');
    await subject.assertServes();
  });

  it('keeps $SYS to itself, both ways', async () => {
    await using subject = await start();
    const victim = await subject.connected('victim');
    const attacker = await subject.connected('attacker');
    assert.deepEqual(await attacker.subscribe(['$SYS/#', '$SYS/+/new/clients']), [refused, refused]);
    attacker.send(packets.publish('$SYS/x/new/clients', 'victim'));
    await attacker.closed();
    await subject.bus.publish(ask, { node: 'victim' }, { request: 'r' });
    await victim.next(3);
  });

  it('refuses a will that is not the own one', async () => {
    await using subject = await start();
    const wills: string[] = [];
    subject.bus.subscribe(gone, (_message, { node }) => void wills.push(node ?? ''));
    for (const will of [
      { topic: up('victim', 'gone') },
      { topic: up('a', 'hello') },
      { topic: '$SYS/x/new/clients', payload: 'victim' },
      { topic: up('a', 'gone'), payload: gonePayload, retain: true },
      { topic: 'flotilla/c1/all/roll' },
    ]) {
      const client = await subject.device('a');
      assert.equal(await client.connect({ clientId: 'a', will }), connack.notAuthorized, will.topic);
      client.destroy();
    }
    const stream = await subject.device('a');
    const will = { topic: up('a', 'gone') };
    assert.equal(await stream.connect({ clientId: 'a/stream', will }), connack.notAuthorized);
    assert.deepEqual(wills, []);
  });

  it('keeps no retained messages', async () => {
    await using subject = await start();
    const client = await subject.connected('a');
    client.send(packets.publish(up('a', 'digest'), digestPayload, { retain: true }));
    await client.closed();
    assert.deepEqual(subject.digests, []);
  });

  it('speaks QoS 0 and 1 only', async () => {
    await using subject = await start();
    const client = await subject.connected('a');
    assert.deepEqual(await client.subscribe([down('a', 'ask')], 2), [refused]);
    client.send(packets.publish(up('a', 'digest'), digestPayload, { qos: 2 }));
    await client.closed();
    assert.deepEqual(subject.digests, []);
  });

  it('grants no wildcard but that of the own streams, and no more filters than a device needs', async () => {
    await using subject = await start();
    const control = await subject.connected('a');
    const wildcards = [
      '#',
      '+/#',
      'flotilla/#',
      down('+', 'set'),
      down('a', '#'),
      down('a', '+'),
      `$share/g/${down('a', 'set')}`,
    ];
    assert.deepEqual(
      await control.subscribe(wildcards),
      wildcards.map(() => refused),
    );
    const stream = await subject.device('a');
    assert.equal(await stream.connect({ clientId: 'a/stream' }), connack.accepted);
    assert.deepEqual(await stream.subscribe([down('a', 'stream/+')]), [1]);
    const many = Array.from({ length: 40 }, (_, index) => down('a', `stream/s${index}`));
    const granted = await stream.subscribe(many);
    assert.equal(granted.filter((qos) => qos !== refused).length, 15);
    await subject.bus.publish(streamDown, { node: 'a', id: 's1' }, { type: 'ready' });
    await stream.next(3);
  });

  it('cuts a device that publishes to another’s topic, or to the server’s', async () => {
    await using subject = await start();
    const rolls: unknown[] = [];
    const victim = await subject.connected('victim');
    for (const topic of [
      up('victim', 'digest'),
      down('victim', 'ask'),
      'flotilla/c1/all/roll',
      'flotilla/c2/nodes/a/up/digest',
      up('a', 'stream/s1'),
      'flotilla/c1/join/abcdefgh/up',
      'anything',
    ]) {
      const client = await subject.connected('a');
      client.send(packets.publish(topic, digestPayload, { qos: 1 }));
      await client.closed();
    }
    await subject.bus.publish(roll, {}, { windowMs: 1 });
    rolls.push(await victim.next(3));
    assert.equal(victim.received.length, 0);
    assert.deepEqual(subject.digests, []);
  });

  it('gives a device no other’s messages', async () => {
    await using subject = await start();
    const client = await subject.connected('a');
    assert.deepEqual(await client.subscribe([down('victim', 'set'), down('victim', 'ask')]), [
      refused,
      refused,
    ]);
    await subject.bus.publish(ask, { node: 'victim' }, { request: 'secret' });
    await subject.bus.publish(ask, { node: 'a' }, { request: 'mine' });
    assert(!(await client.next(3)).body.includes('secret'));
    assert.equal(client.received.length, 0);
  });

  it('refuses a client id that is not the certificate’s name', async () => {
    await using subject = await start();
    for (const clientId of ['b', 'a/other', 'a/stream/x', 'A', '', 'join-abcdefgh', 'system:node:a']) {
      const client = await subject.device('a');
      assert.equal(await client.connect({ clientId }), connack.identifierRejected, clientId);
    }
  });

  it('refuses whoever has no certificate of a device of this cluster', async () => {
    await using subject = await start();
    await using foreign = await makeIdentity();
    const stranger = { ...foreign.device('a'), ca: subject.keys.identity.caCertificate };
    for (const certificate of [stranger, await adminCertificate(subject.keys)]) {
      const client = await subject.open(certificate);
      assert.equal(await client.connect({ clientId: 'a' }), connack.notAuthorized);
    }
    const anonymous = await subject.anonymous();
    assert.equal(await anonymous.connect({ clientId: 'a' }), connack.identifierRejected);
  });

  it('asks whether a certificate is still the node’s, and survives when that cannot be told', async () => {
    const answers: (() => Promise<boolean>)[] = [
      async () => false,
      async () => Promise.reject(new Error('the store is gone')),
    ];
    await using subject = await start({
      authenticator: { device: async () => answers.shift()?.() ?? true },
    });
    const first = await subject.device('a');
    assert.equal(await first.connect({ clientId: 'a' }), connack.notAuthorized);
    const second = await subject.device('a');
    assert.equal(await second.connect({ clientId: 'a' }), connack.unavailable);
    await subject.assertServes();
  });

  it('refuses kept sessions, endless or missing keepalives, and other versions of MQTT', async () => {
    await using subject = await start();
    const attempts: [Parameters<typeof packets.connect>[0], number][] = [
      [{ clientId: 'a', clean: false }, connack.notAuthorized],
      [{ clientId: 'a', keepalive: 0 }, connack.keepalive],
      [{ clientId: 'a', keepalive: 1201 }, connack.keepalive],
    ];
    for (const [options, code] of attempts) {
      const client = await subject.device('a');
      assert.equal(await client.connect(options), code, JSON.stringify(options));
    }
    for (const level of [3, 5, 131]) {
      const client = await subject.device('a');
      client.send(packets.connect({ clientId: 'a', level }));
      await client.closed();
    }
    await subject.assertServes();
  });

  it('ends a connection that is silent for longer than its keepalive', async () => {
    await using subject = await start();
    const client = await subject.device('a');
    assert.equal(await client.connect({ clientId: 'a', keepalive: 1 }), connack.accepted);
    await client.closed();
  });

  it('replaces a device’s connection by its next one, will first, and keeps the next one reachable', async () => {
    await using subject = await start();
    const wills: number[] = [];
    subject.bus.subscribe(gone, ({ connection }) => void wills.push(connection));
    const certificate = subject.keys.device('a');
    let former: RawClient | undefined;
    for (let connection = 1; connection <= 12; connection++) {
      const client = await subject.open(certificate);
      const [payload = new Uint8Array()] = encodeMessage(gone, { connection });
      const will = { topic: up('a', 'gone'), payload };
      // Half of the old connections are cut at the same moment by their own side.
      if (connection % 2 === 0) former?.destroy();
      assert.equal(await client.connect({ clientId: 'a', will }), connack.accepted);
      await client.subscribe(controlFilters('a'));
      await former?.closed();
      former = client;
    }
    assert.deepEqual(subject.bus.connectedNodes(), ['a']);
    await subject.bus.publish(ask, { node: 'a' }, { request: 'r' });
    await former?.next(3);
    await eventually(() => wills.length === 11, 'each former connection’s will');
    assert.deepEqual(wills, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });

  it('takes only so many unknown connections from one address, and devices beside them', async () => {
    await using subject = await start({ limits: { connectionsPerAddressMax: 3 } });
    for (const node of ['e', 'f', 'g', 'h']) await subject.connected(node);
    const clients = await Promise.all(['a', 'b', 'c'].map((node) => subject.device(node)));
    await assert.rejects(() => subject.device('d'));
    clients[0]?.destroy();
    await eventually(() => clients[0]?.isClosed === true, 'one is gone');
    let joined: RawClient | undefined;
    for (let attempt = 0; !joined && attempt < 100; attempt++)
      joined = await subject.device('d').catch(() => undefined);
    assert.equal(await joined?.connect({ clientId: 'd' }), connack.accepted);
  });

  it('cuts a flood of packets', async () => {
    await using subject = await start({ limits: { packetsBurstMax: 500, packetsPerSecondMax: 100 } });
    const patient = await subject.connected('patient');
    const client = await subject.connected('a');
    client.send(...Array.from({ length: 1000 }, () => packets.ping));
    await client.closed();
    patient.send(
      ...Array.from({ length: 300 }, () => packets.publish(up('patient', 'digest'), digestPayload)),
    );
    await eventually(
      () => subject.digests.filter((node) => node === 'patient').length === 300,
      'a burst is fine',
    );
  });

  it('lets a joining device use its own two topics, for a short time', async () => {
    const tokens: string[] = [];
    await using subject = await start({
      limits: { joinConnectionMs: 400 },
      authenticator: {
        join: async ({ id, token, address }) => {
          tokens.push(`${id} ${token} ${address}`);
          if (token === 'many') return 'busy';
          return token === 'good' ? 'accepted' : 'refused';
        },
      },
    });
    const identity = { clientId: 'join-abcdefgh', username: 'join' };
    const codes: Record<string, number> = { bad: connack.badToken, many: connack.unavailable };
    for (const [password, code] of Object.entries(codes)) {
      const client = await subject.anonymous();
      assert.equal(await client.connect({ ...identity, password }), code);
    }
    const bare = await subject.anonymous();
    assert.equal(await bare.connect({ clientId: 'join-abcdefgh', username: 'join' }), connack.badToken);
    const other = await subject.anonymous();
    assert.equal(
      await other.connect({ ...identity, username: 'admin', password: 'good' }),
      connack.identifierRejected,
    );
    const client = await subject.anonymous();
    assert.equal(await client.connect({ ...identity, password: 'good' }), connack.accepted);
    assert.deepEqual(
      await client.subscribe([
        'flotilla/c1/join/abcdefgh/down',
        'flotilla/c1/join/zzzzzzzz/down',
        down('a', 'set'),
      ]),
      [1, refused, refused],
    );
    await client.closed();
    assert(tokens.includes('abcdefgh good 127.0.0.1'));
  });

  it('cuts a joining device that publishes anywhere else', async () => {
    await using subject = await start({ authenticator: { join: async () => 'accepted' } });
    for (const topic of [
      up('a', 'digest'),
      'flotilla/c1/join/zzzzzzzz/up',
      'flotilla/c1/join/abcdefgh/down',
    ]) {
      const client = await subject.anonymous();
      const options = { clientId: 'join-abcdefgh', username: 'join', password: 'x' };
      assert.equal(await client.connect(options), connack.accepted);
      client.send(packets.publish(topic, digestPayload));
      await client.closed();
    }
    assert.deepEqual(subject.digests, []);
  });

  it('goes on after every kind of sudden end', async () => {
    await using subject = await start();
    const certificate = subject.keys.device('a');
    for (let index = 0; index < 10; index++) {
      const client = await subject.open(certificate);
      client.send(packets.connect({ clientId: 'a' }), packets.subscribe(controlFilters('a')));
      if (index % 2 === 0) client.destroy();
      else client.send(packets.disconnect);
    }
    await eventually(() => subject.bus.connectedNodes().length === 0, 'all are gone');
    await subject.assertServes();
  });
});
