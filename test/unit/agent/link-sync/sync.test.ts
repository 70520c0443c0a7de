import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setHash, sumOf } from '../../../../protocol/sync-hash.ts';
import {
  ack,
  ask,
  digestTopic,
  hello,
  index,
  roll,
  type SetEntry,
  set,
} from '../../../../protocol/topics/sync.ts';
import { openHandServer } from './hand-server.ts';

const entry = (key: string): SetEntry => ({ key, digest: '00000000000000aa', object: {} });
const hashOf = (...entries: SetEntry[]) => setHash(sumOf(entries));
const month = 30 * 24 * 3_600_000;

test('a device says hello when it connects, and again ever more rarely until it is answered', async () => {
  const { clock, link, heard, answerHello } = await openHandServer();
  link.connect();
  await clock.advance(10);
  assert.equal(heard(hello).length, 1);
  assert.deepEqual(heard(hello)[0], {
    epoch: '',
    revision: 0,
    hash: '0000000000000000',
    boot: 1,
    count: 1,
    connection: 1,
    bootId: 'b1',
    clockTrusted: false,
    agentVersion: '1',
  });
  await clock.advance(60 * 60_000);
  const unanswered = heard(hello).length;
  assert.ok(unanswered > 40 && unanswered < 130, `${unanswered} hellos in an hour`);
  await answerHello();
  await clock.advance(60 * 60_000);
  assert.equal(heard(hello).length, unanswered);
});

test('an answer to an earlier hello answers nothing', async () => {
  const { clock, link, heard, say } = await openHandServer();
  link.connect();
  await clock.advance(30_000);
  const count = heard(hello).length;
  assert.ok(count > 1);
  await say(ack, { type: 'hello', boot: 1, count: 1, session: 'old', report: false });
  await clock.advance(120_000);
  assert.ok(heard(hello).length > count);
});

test('a roll call is answered at some time within its window', async () => {
  const { clock, link, heard, say, answerHello } = await openHandServer();
  link.connect();
  await answerHello();
  await say(roll, { windowMs: 10_000 });
  assert.equal(heard(hello).length, 1);
  await clock.advance(10_000);
  assert.equal(heard(hello).length, 2);
});

test('what was applied is confirmed, a burst once', async () => {
  const { clock, link, heard, say, answerHello, sendSnapshot, desired } = await openHandServer();
  link.connect();
  await answerHello();
  await sendSnapshot(3, [entry('Pod/1')]);
  const both = hashOf(entry('Pod/1'), entry('Pod/2'));
  const delta = { type: 'delta', session: 's1', epoch: 'e1', from: 3, to: 4, hash: both } as const;
  await say(set, { ...delta, put: [entry('Pod/2')], del: [] });
  await clock.advance(1_000);
  assert.deepEqual(heard(digestTopic), [{ epoch: 'e1', revision: 4, hash: both }]);
  assert.equal(desired.entries.size, 2);
  await say(set, { ...delta, put: [entry('Pod/2')], del: [] });
  await clock.advance(1_000);
  assert.equal(heard(digestTopic).length, 2, 'a repeated delta is confirmed again');
});

test('a gap makes the device say what it holds; a storm of gaps does not make a storm of hellos', async () => {
  const { clock, link, heard, say, answerHello, sendSnapshot } = await openHandServer();
  link.connect();
  await answerHello();
  await sendSnapshot(3, [entry('Pod/1')]);
  for (let n = 0; n < 50; n++) {
    const range = { from: 10 + n, to: 11 + n };
    await say(set, { type: 'delta', session: 's1', epoch: 'e1', ...range, hash: hashOf(), put: [], del: [] });
  }
  await clock.advance(1_000);
  const hellos = heard(hello).slice(1);
  assert.ok(hellos.length >= 1 && hellos.length <= 3, `${hellos.length} hellos`);
  assert.deepEqual([hellos[0]?.epoch, hellos[0]?.revision], ['e1', 3]);
});

test('after a hash that does not add up the device claims no epoch, so that it is asked for its index', async () => {
  const { clock, link, heard, say, answerHello, sendSnapshot } = await openHandServer();
  link.connect();
  await answerHello();
  await sendSnapshot(3, [entry('Pod/1')]);
  const range = { from: 3, to: 4 };
  await say(set, {
    type: 'delta',
    session: 's1',
    epoch: 'e1',
    ...range,
    hash: hashOf(),
    put: [entry('Pod/2')],
    del: [],
  });
  await clock.advance(2_000);
  assert.equal(heard(hello).at(-1)?.epoch, '');
  await say(ask, { request: 'q' });
  assert.deepEqual(heard(index).at(-1)?.entries, [['Pod/1', '00000000000000aa']]);
});

test('a set of another run of the server is not applied', async () => {
  const { clock, link, heard, say, answerHello, desired } = await openHandServer();
  link.connect();
  await answerHello();
  const nonce = desired.nonce;
  const message = { epoch: 'e1', nonce, to: 3, hash: hashOf(entry('Pod/1')), put: [entry('Pod/1')], del: [] };
  await say(set, { type: 'snapshot', session: 'another', ...message });
  await clock.advance(2_000);
  assert.equal(desired.entries.size, 0);
  assert.equal(heard(hello).length, 2);
});

test('a device whose boot counter the server has seen higher goes on above it', async () => {
  const { clock, link, heard, say } = await openHandServer();
  link.connect();
  await clock.advance(10);
  await say(ack, { type: 'behind', boot: 1, count: 1, floor: 40 });
  await clock.advance(10);
  assert.equal(heard(hello).at(-1)?.boot, 41);
});

test('a greeting makes a device say hello', async () => {
  const { clock, link, heard, say, answerHello } = await openHandServer();
  link.connect();
  await answerHello();
  await say(ack, { type: 'greet' });
  await clock.advance(2_000);
  assert.equal(heard(hello).length, 2);
});

test('with a full disk nothing is confirmed; the set is taken when there is room', async () => {
  const { clock, link, heard, answerHello, sendSnapshot, desired, disk } = await openHandServer();
  link.connect();
  await answerHello();
  disk.capacityBytes = disk.usedBytes;
  await sendSnapshot(3, [entry('Pod/1')]);
  await clock.advance(5_000);
  assert.deepEqual([heard(digestTopic).length, desired.entries.size], [0, 0]);
  disk.capacityBytes = Number.POSITIVE_INFINITY;
  await sendSnapshot(3, [entry('Pod/1')]);
  assert.equal(desired.entries.size, 1);
});

test('an idle device sends less than 150 kB in a month, and writes nothing to its disk', async () => {
  const { clock, link, bytesUp, answerHello, sendSnapshot, heard, disk } = await openHandServer();
  link.connect();
  await answerHello();
  await sendSnapshot(3, [entry('Pod/1')]);
  await clock.advance(60_000);
  const [before, syncs] = [bytesUp(), disk.syncs];
  await clock.advance(month);
  // With TCP, TLS and acknowledgements a message costs some 160 bytes more; pings have the rest of the 3 MB.
  const wireBytes = bytesUp() - before + heard(digestTopic).length * 160;
  assert.ok(heard(digestTopic).length > 1_000);
  assert.ok(wireBytes < 500_000, `${wireBytes} bytes on the wire`);
  assert.ok(bytesUp() - before < 150_000, `${bytesUp() - before} bytes`);
  assert.equal(disk.syncs, syncs);
});
