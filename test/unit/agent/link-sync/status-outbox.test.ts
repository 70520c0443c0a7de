import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hello, type NodeReport, type PodReport, status } from '../../../../protocol/topics/sync.ts';
import { openHandServer } from './hand-server.ts';

const pod = (uid: string, message: string): PodReport => {
  return { uid, namespace: 'n', name: uid, status: { phase: 'Running', message } };
};
const nodeReport: NodeReport = {
  capacity: {},
  allocatable: {},
  addresses: [],
  nodeInfo: {},
  labels: {},
  conditions: [],
  runtimes: [],
};

test('nothing is sent before the server has answered; then everything, newest reports only', async () => {
  const { clock, link, sync, heard, answerHello } = await openHandServer();
  sync.outbox.reportPod(pod('1', 'first'));
  link.connect();
  await clock.advance(100);
  sync.outbox.reportPod(pod('1', 'second'));
  sync.outbox.reportPod(pod('2', 'only'));
  await clock.advance(100);
  assert.equal(heard(status).length, 0);
  await answerHello();
  assert.deepEqual(heard(status), [
    { session: 's1', boot: 1, seq: 1, pods: [pod('1', 'second'), pod('2', 'only')] },
  ]);
});

test('reports of one moment share a message; one that changes while it travels travels again', async () => {
  const { clock, link, sync, heard, answerHello, acknowledge } = await openHandServer();
  link.connect();
  await answerHello();
  sync.outbox.reportPod(pod('1', 'a'));
  sync.outbox.reportPod(pod('2', 'a'));
  await clock.advance(20);
  sync.outbox.reportPod(pod('1', 'b'));
  await clock.advance(20);
  assert.deepEqual(
    heard(status).map(({ seq, pods }) => [seq, pods.map(({ uid }) => uid)]),
    [
      [1, ['1', '2']],
      [2, ['1']],
    ],
  );
  await acknowledge(1);
  assert.equal(sync.unacknowledged, 1);
  await acknowledge(2);
  assert.equal(sync.unacknowledged, 0);
});

test('what is not acknowledged is sent again under a new number, ever more rarely', async () => {
  const { clock, link, sync, heard, answerHello, acknowledge } = await openHandServer();
  link.connect();
  await answerHello();
  sync.outbox.reportPod(pod('1', 'a'));
  await clock.advance(60_000);
  const again = heard(status);
  assert.ok(again.length >= 3 && again.length < 12, `${again.length} in a minute`);
  assert.deepEqual(
    again.map(({ seq }) => seq),
    again.map((_, position) => position + 1),
  );
  await acknowledge(again.length);
  await clock.advance(600_000);
  assert.equal(heard(status).length, again.length);
});

test('long silence of the server makes the device greet it', async () => {
  const { clock, link, sync, heard, answerHello } = await openHandServer();
  link.connect();
  await answerHello();
  sync.outbox.reportPod(pod('1', 'a'));
  await clock.advance(180_000);
  assert.ok(heard(hello).length > 1);
});

test('after a reconnect only what is unacknowledged is sent', async () => {
  const { clock, link, sync, heard, answerHello, acknowledge } = await openHandServer();
  link.connect();
  await answerHello();
  sync.outbox.reportPod(pod('1', 'a'));
  await clock.advance(20);
  await acknowledge(1);
  sync.outbox.reportPod(pod('2', 'a'));
  link.disconnect();
  link.connect();
  await answerHello();
  assert.deepEqual(
    heard(status)
      .at(-1)
      ?.pods.map(({ uid }) => uid),
    ['2'],
  );
});

test('an acknowledgement of another session or boot acknowledges nothing', async () => {
  const { clock, link, sync, answerHello, acknowledge } = await openHandServer();
  link.connect();
  await answerHello({ session: 'other' });
  sync.outbox.reportPod(pod('1', 'a'));
  await clock.advance(20);
  await acknowledge(1);
  assert.equal(sync.unacknowledged, 1);
});

test('a store that is another one has forgotten what it acknowledged: all is sent anew', async () => {
  const { clock, link, sync, heard, answerHello, acknowledge, sendSnapshot } = await openHandServer();
  link.connect();
  await answerHello();
  const entry = { key: 'Pod/1', digest: '00000000000000aa', object: {} };
  await sendSnapshot(3, [entry]);
  sync.outbox.reportPod(pod('1', 'a'));
  await clock.advance(20);
  await acknowledge(heard(status).at(-1)?.seq ?? 0);
  assert.equal(sync.unacknowledged, 0);
  await sendSnapshot(1, [entry], 'e2');
  assert.equal(sync.unacknowledged, 1);
});

test('the node report is sent when it is new, and again when the server wants it', async () => {
  const { clock, link, sync, heard, answerHello, acknowledge } = await openHandServer();
  sync.outbox.reportNode(nodeReport);
  link.connect();
  await answerHello();
  assert.deepEqual(heard(status).at(-1)?.report, nodeReport);
  await acknowledge(1);
  link.disconnect();
  link.connect();
  await clock.advance(10);
  assert.match(heard(hello).at(-1)?.reportDigest ?? '', /^[0-9a-f]{16}$/);
  await answerHello();
  assert.equal(heard(status).length, 1);
  link.disconnect();
  link.connect();
  await answerHello({ report: true });
  assert.deepEqual(heard(status).at(-1)?.report, nodeReport);
});

test('a pod that is gone leaves nothing behind once its removal is acknowledged', async () => {
  const { clock, link, sync, heard, answerHello, acknowledge } = await openHandServer();
  link.connect();
  await answerHello();
  sync.outbox.reportPod({ uid: '1', namespace: 'n', name: '1', removed: true });
  await clock.advance(20);
  await acknowledge(1);
  link.disconnect();
  link.connect();
  await answerHello();
  await clock.advance(1_000);
  assert.equal(heard(status).length, 1);
});

test('many pods travel in several messages', async () => {
  const { link, sync, heard, answerHello, clock } = await openHandServer();
  for (let n = 0; n < 100; n++) sync.outbox.reportPod(pod(String(n), 'a'));
  link.connect();
  await answerHello();
  await clock.advance(10);
  assert.deepEqual(
    heard(status).map(({ pods }) => pods.length),
    [32, 32, 32, 4],
  );
});

test('events ride along, equal ones as one, and a flood loses the oldest', async () => {
  const { link, sync, heard, answerHello, clock } = await openHandServer();
  link.connect();
  await answerHello();
  const event = (message: string) => ({ uid: '1', type: 'Normal' as const, reason: 'Started', message });
  sync.outbox.reportEvent(event('same'));
  sync.outbox.reportEvent(event('same'));
  await clock.advance(2_000);
  assert.deepEqual(heard(status).at(-1)?.events, [event('same')]);
  for (let n = 0; n < 200; n++) sync.outbox.reportEvent(event(String(n)));
  await clock.advance(2_000);
  const sent = heard(status).at(-1)?.events ?? [];
  assert.equal(sent.length, 32);
  assert.deepEqual(sent.at(-1), event('199'));
});
