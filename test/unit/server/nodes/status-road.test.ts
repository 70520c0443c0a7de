import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../../../protocol/generated/models.ts';
import { eventKind } from '../../../../protocol/kinds/event.ts';
import { nodeKind } from '../../../../protocol/kinds/node.ts';
import { podKind } from '../../../../protocol/kinds/pod.ts';
import type { PodReport } from '../../../../protocol/topics/sync.ts';
import { openHand, report } from './hand-device.ts';

/** What a device's words come to in the store. */
function of(pod: Pod | undefined, more: Partial<PodReport>): PodReport {
  const { uid = '', namespace = '', name = '' } = pod?.metadata ?? {};
  return { uid, namespace, name, ...more };
}
const running = (message = 'x') => ({ status: { phase: 'Running', message } });
const readyOf = (node: { status?: { conditions?: { type: string }[] } } | undefined) =>
  node?.status?.conditions?.find(({ type }) => type === 'Ready');

test('a status is stored, then acknowledged; what only the server says of a pod stays', async () => {
  const { device: makeDevice, bindPod, pod } = await openHand();
  const bound = await bindPod('a', 'n1');
  const device = makeDevice('n1');
  await device.hello();
  await device.status(1, [of(bound, running())]);
  const stored = (await pod('a'))?.status;
  assert.deepEqual([stored?.phase, stored?.qosClass], ['Running', 'BestEffort']);
  assert.equal(
    stored?.conditions?.some(({ type }) => type === 'PodScheduled'),
    true,
  );
  assert.deepEqual(device.acks.at(-1), { type: 'status', session: device.session(), boot: 1, seq: 1 });
});

test('only a higher (boot, seq) counts, and only in the session of this run of the server', async () => {
  const { device: makeDevice, bindPod, pod, clock } = await openHand();
  const bound = await bindPod('a', 'n1');
  const device = makeDevice('n1');
  await device.hello({ boot: 2 });
  await device.status(5, [of(bound, running('new'))], { boot: 2 });
  const acks = device.acks.length;
  await device.status(5, [of(bound, running('repeated'))], { boot: 2 });
  await device.status(4, [of(bound, running('late'))], { boot: 2 });
  await device.status(9, [of(bound, running('earlier life'))], { boot: 1 });
  assert.equal(device.acks.length, acks);
  await clock.advance(5_000);
  await device.status(9, [of(bound, running('other session'))], { boot: 2, session: 'another' });
  assert.deepEqual(device.acks.at(-1), { type: 'greet' });
  assert.equal((await pod('a'))?.status?.message, 'new');
});

test('a device changes only pods that are bound to it, under their present UID', async () => {
  const { device: makeDevice, bindPod, pod } = await openHand();
  const foreign = await bindPod('a', 'n2');
  const own = await bindPod('b', 'n1');
  const device = makeDevice('n1');
  await device.hello();
  await device.status(1, [of(foreign, running()), { ...of(own, running()), uid: 'earlier' }]);
  await device.status(2, [
    of(foreign, { removed: true }),
    of(foreign, { refused: { reason: 'No', message: '' } }),
  ]);
  assert.equal((await pod('a'))?.status?.phase, 'Pending');
  assert.equal((await pod('a'))?.spec?.nodeName, 'n2');
  assert.equal((await pod('b'))?.status?.phase, 'Pending');
  assert.equal(device.acks.filter(({ type }) => type === 'status').length, 2);
});

test('a pod that is deleted stays until its device has torn it down', async () => {
  const { device: makeDevice, bindPod, pod, registry, clock } = await openHand();
  const bound = await bindPod('a', 'n1');
  await registry.delete(podKind, { namespace: 'default', name: 'a' });
  await clock.advance(3_600_000);
  assert.ok((await pod('a'))?.metadata?.deletionTimestamp);
  const device = makeDevice('n1');
  await device.hello();
  await device.status(1, [of(bound, { removed: true })]);
  assert.equal(await pod('a'), undefined);
  await device.status(2, [of(bound, { removed: true })]);
  assert.deepEqual(device.acks.at(-1), { type: 'status', session: device.session(), boot: 1, seq: 2 });
});

test('a pod that was torn down although nobody deleted it has failed', async () => {
  const { device: makeDevice, bindPod, pod } = await openHand();
  const bound = await bindPod('a', 'n1');
  const device = makeDevice('n1');
  await device.hello();
  await device.status(1, [of(bound, { removed: true })]);
  assert.deepEqual(
    [(await pod('a'))?.status?.phase, (await pod('a'))?.status?.reason],
    ['Failed', 'TornDown'],
  );
});

test('a pod that ended stays ended', async () => {
  const { device: makeDevice, bindPod, pod } = await openHand();
  const bound = await bindPod('a', 'n1');
  const device = makeDevice('n1');
  await device.hello();
  await device.status(1, [of(bound, { status: { phase: 'Succeeded' } })]);
  await device.status(2, [of(bound, running())]);
  assert.equal((await pod('a'))?.status?.phase, 'Succeeded');
});

test('a refused pod goes back to the scheduler when that placed it, and fails when a user did', async () => {
  const { device: makeDevice, bindPod, pod, registry } = await openHand();
  const scheduled = await bindPod('a', 'n1');
  const spec = { nodeName: 'n1', containers: [{ name: 'main', image: 'i' }] };
  const placed = await registry.create(podKind, { metadata: { name: 'b', namespace: 'default' }, spec });
  const device = makeDevice('n1');
  await device.hello();
  const refused = { reason: 'OutOfcpu', message: 'no cpu left' };
  await device.status(1, [of(scheduled, { refused }), of(placed, { refused })]);
  assert.equal((await pod('a'))?.spec?.nodeName, undefined);
  const failed = (await pod('b'))?.status;
  assert.deepEqual(
    [failed?.phase, failed?.reason, failed?.message],
    ['Failed', 'OutOfcpu', 'Pod was rejected: no cpu left'],
  );
});

test('while the store fails nothing is acknowledged; afterwards the newest status is stored', async () => {
  const { device: makeDevice, bindPod, pod, server, clock } = await openHand();
  const bound = await bindPod('a', 'n1');
  const device = makeDevice('n1');
  await device.hello();
  server.storeFailing = true;
  await device.status(1, [of(bound, running('first'))]);
  await device.status(2, [of(bound, running('second'))]);
  assert.equal(
    device.acks.some(({ type }) => type === 'status'),
    false,
  );
  server.storeFailing = false;
  await clock.advance(10_000);
  assert.equal((await pod('a'))?.status?.message, 'second');
  assert.equal(device.acks.filter(({ type }) => type === 'status').length, 2);
});

test('a status that can never be stored is acknowledged, or the device would repeat it for ever', async () => {
  const { device: makeDevice, bindPod, pod } = await openHand();
  const bad = await bindPod('a', 'n1');
  const good = await bindPod('b', 'n1');
  const device = makeDevice('n1');
  await device.hello();
  const long = { phase: 'Running', message: 'x'.repeat(2 * 1024 * 1024) };
  await device.status(1, [of(bad, { status: long }), of(good, running())]);
  assert.equal((await pod('b'))?.status?.phase, 'Running');
  assert.equal(device.acks.at(-1)?.type, 'status');
});

test('events of own pods are written, equal ones counted, and a flood is cut', async () => {
  const { device: makeDevice, bindPod, registry } = await openHand();
  const own = await bindPod('a', 'n1');
  const foreign = await bindPod('b', 'n2');
  const device = makeDevice('n1');
  await device.hello();
  const event = (pod: Pod, message: string) => {
    return { uid: pod.metadata?.uid ?? '', type: 'Normal' as const, reason: 'Started', message };
  };
  await device.status(1, [], { events: [event(own, 'Started container'), event(foreign, 'not mine')] });
  await device.status(2, [], { events: [event(own, 'Started container')] });
  const events = (await registry.list(eventKind)).items;
  assert.deepEqual(
    events.map(({ involvedObject, count, source }) => [involvedObject.name, count, source?.host]),
    [['a', 2, 'n1']],
  );
  const flood = Array.from({ length: 32 }, (_, n) => event(own, `number ${n}`));
  await device.status(3, [], { events: flood });
  await device.status(4, [], { events: flood });
  assert.ok((await registry.list(eventKind)).items.length <= 26);
});

test('a device registers with its report, which is asked for only when it differs', async () => {
  const { device: makeDevice, node } = await openHand();
  const device = makeDevice('n1');
  await device.hello();
  const answer = device.acks.at(-1);
  assert.equal(answer?.type === 'hello' && answer.report, true);
  assert.equal(await node('n1'), undefined);
  await device.status(1, [], { report });
  const made = await node('n1');
  assert.equal(made?.metadata?.labels?.['kubernetes.io/arch'], 'arm64');
  assert.equal(made?.metadata?.labels?.['node-role.kubernetes.io/admin'], undefined);
  assert.deepEqual([made?.status?.capacity, made?.status?.allocatable], [{ cpu: '4' }, { cpu: '3' }]);
  assert.deepEqual(
    made?.status?.conditions?.map(({ type, status, reason }) => [type, status, reason]),
    [
      ['DiskPressure', 'False', 'Enough'],
      ['Ready', 'True', 'AgentReady'],
    ],
  );
  await device.hello();
  const again = device.acks.at(-1);
  assert.equal(again?.type === 'hello' && again.report, false);
});

test('a link that is gone for longer than a blink makes the node Unknown, its return Ready', async () => {
  const { device: makeDevice, node, clock, server } = await openHand();
  const device = makeDevice('n1');
  await device.hello();
  await device.status(1, [], { report });
  const { resourceVersion } = (await node('n1'))?.metadata ?? {};
  device.link.disconnect();
  await clock.advance(1_000);
  await device.hello({ connection: 2 });
  await clock.advance(10_000);
  assert.equal((await node('n1'))?.metadata?.resourceVersion, resourceVersion);
  device.link.disconnect();
  await clock.advance(10_000);
  assert.deepEqual(
    [readyOf(await node('n1'))].map((ready) => ({
      ...ready,
      lastTransitionTime: '',
      lastHeartbeatTime: '',
    }))[0],
    {
      type: 'Ready',
      status: 'Unknown',
      reason: 'Disconnected',
      message: 'The device is not connected; its pods are presumed to run on.',
      lastTransitionTime: '',
      lastHeartbeatTime: '',
    },
  );
  assert.equal(server.nodes?.isConnected('n1'), false);
  await device.hello({ connection: 3 });
  assert.equal((readyOf(await node('n1')) as { status?: string }).status, 'True');
});

test('a device whose runtime does not answer is not ready, in the device’s own words, until it does', async () => {
  const { device: makeDevice, node } = await openHand();
  const device = makeDevice('n1');
  await device.hello();
  const message = 'container runtime is down: oci: podman ps: no answer within 30000 ms';
  const told = (status: 'True' | 'False') => ({
    type: 'RuntimeReady',
    status,
    reason: 'KubeletNotReady',
    message,
  });
  await device.status(1, [], { report: { ...report, conditions: [told('False')] } });
  const down = readyOf(await node('n1')) as { status?: string; message?: string };
  assert.deepEqual([down.status, down.message], ['False', message]);
  await device.status(2, [], { report: { ...report, conditions: [told('True')] } });
  assert.equal((readyOf(await node('n1')) as { status?: string }).status, 'True');
});

test('a will of an earlier connection counts for nothing', async () => {
  const { device: makeDevice, node, clock, server } = await openHand({ external: true });
  const device = makeDevice('n1');
  await device.hello({ connection: 2 });
  await device.status(1, [], { report });
  // The link's own numbering: the will that this disconnect publishes carries connection 1.
  device.link.disconnect();
  await clock.advance(10_000);
  assert.equal(server.nodes?.isConnected('n1'), true);
  device.link.connect();
  device.link.disconnect();
  await clock.advance(10_000);
  assert.equal(server.nodes?.isConnected('n1'), false);
  assert.equal((readyOf(await node('n1')) as { status?: string }).status, 'Unknown');
});

test('a node that stands as Ready and does not greet a restarted server becomes Unknown', async () => {
  const { device: makeDevice, node, clock, server } = await openHand();
  const device = makeDevice('n1');
  await device.hello();
  await device.status(1, [], { report });
  await server.crash();
  await server.start();
  await clock.advance(10_000);
  assert.equal((readyOf(await node('n1')) as { status?: string }).status, 'True');
  await clock.advance(60_000);
  assert.equal((readyOf(await node('n1')) as { status?: string }).status, 'Unknown');
});

test('a reboot is told from a partition: by the boot id, with an event', async () => {
  const { device: makeDevice, registry } = await openHand();
  const device = makeDevice('n1');
  await device.hello();
  await device.status(1, [], { report });
  await device.hello({ connection: 2 });
  assert.equal((await registry.list(eventKind)).items.length, 0);
  await device.hello({ connection: 3, boot: 2, bootId: 'b2' });
  assert.deepEqual(
    (await registry.list(eventKind)).items.map(({ reason, message }) => [reason, message]),
    [['Rebooted', 'Node n1 has been rebooted, boot id: b2']],
  );
});

test('a device that lost its boot counter is told where to go on; nobody follows its old words', async () => {
  const { device: makeDevice, server } = await openHand();
  const device = makeDevice('n1');
  await device.hello({ boot: 40, count: 7 });
  await device.hello({ boot: 1, count: 1 });
  assert.deepEqual(device.acks.at(-1), { type: 'behind', boot: 1, count: 1, floor: 40 });
  await device.hello({ boot: 41, count: 1 });
  assert.equal(device.acks.at(-1)?.type, 'hello');
  assert.equal(server.nodes?.isConnected('n1'), true);
});

test('a deleted Node disconnects its device, whose next hello registers it anew', async () => {
  const { device: makeDevice, registry, node, clock } = await openHand();
  const device = makeDevice('n1');
  await device.hello();
  await device.status(1, [], { report });
  await registry.delete(nodeKind, { name: 'n1' });
  await clock.advance(20);
  assert.equal(device.link.connected, false);
  await device.hello({ connection: 2 });
  const answer = device.acks.at(-1);
  assert.equal(answer?.type === 'hello' && answer.report, true);
  await device.status(2, [], { report });
  assert.equal((readyOf(await node('n1')) as { status?: string }).status, 'True');
});
