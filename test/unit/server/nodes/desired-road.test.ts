import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configMapKind } from '../../../../protocol/kinds/config-map.ts';
import { podKind } from '../../../../protocol/kinds/pod.ts';
import { secretKind } from '../../../../protocol/kinds/secret.ts';
import type { Message } from '../../../../protocol/topics/define-topic.ts';
import type { set } from '../../../../protocol/topics/sync.ts';
import { type HandDevice, openHand } from './hand-device.ts';

/** What the server sends to a device, and when it does not. */
const keysOf = (message: Message<typeof set> | undefined) => message?.put.map(({ key }) => key).sort();
const heldAfter = ({ epoch, to, hash }: Message<typeof set>) => ({ epoch, revision: to, hash });

/** Answers the ask as a device that holds nothing, and confirms. */
async function bringUp(device: HandDevice): Promise<Message<typeof set>> {
  await device.hello();
  await device.index(device.asks.at(-1)?.request ?? '', []);
  const snapshot = device.sets.at(-1);
  assert.ok(snapshot);
  await device.digest(heldAfter(snapshot));
  return snapshot;
}

test('a device without an epoch is asked for its index and gets the exact difference', async () => {
  const { device: makeDevice, bindPod, registry } = await openHand();
  const pod = await bindPod('a', 'n1');
  await bindPod('b', 'n2');
  const device = makeDevice('n1');
  await device.hello();
  assert.equal(device.sets.length, 0);
  const request = device.asks[0]?.request ?? '';
  await device.index('another request', []);
  assert.equal(device.sets.length, 0);
  await device.index(request, [['Pod/gone', '1111111111111111']]);
  const [snapshot] = device.sets;
  assert.equal(snapshot?.type === 'snapshot' && snapshot.nonce, 'n1');
  assert.deepEqual(keysOf(snapshot), [`Pod/${pod.metadata?.uid}`]);
  assert.deepEqual(snapshot?.del, ['Pod/gone']);
  assert.equal(snapshot?.epoch, registry.epoch);
});

test('a device that holds the set as it is hears nothing but the answer to its hello', async () => {
  const { device: makeDevice, bindPod } = await openHand();
  await bindPod('a', 'n1');
  const device = makeDevice('n1');
  const snapshot = await bringUp(device);
  const before = [device.sets.length, device.asks.length];
  await device.hello(heldAfter(snapshot));
  assert.deepEqual([device.sets.length, device.asks.length], before);
  assert.equal(device.acks.at(-1)?.type, 'hello');
});

test('a device that missed changes gets them in one cumulative delta from what it holds', async () => {
  const { device: makeDevice, bindPod, clock } = await openHand();
  const device = makeDevice('n1');
  const snapshot = await bringUp(device);
  device.link.disconnect();
  await clock.advance(10_000);
  const a = await bindPod('a', 'n1');
  const b = await bindPod('b', 'n1');
  assert.equal(device.sets.length, 1);
  await device.hello(heldAfter(snapshot));
  const delta = device.sets.at(-1);
  assert.equal(delta?.type === 'delta' && delta.from, snapshot.to);
  assert.deepEqual(keysOf(delta), [`Pod/${a.metadata?.uid}`, `Pod/${b.metadata?.uid}`].sort());
});

test('the same epoch and revision under another hash is not believed', async () => {
  const { device: makeDevice } = await openHand();
  const device = makeDevice('n1');
  const snapshot = await bringUp(device);
  await device.hello({ ...heldAfter(snapshot), hash: 'eeeeeeeeeeeeeeee' });
  assert.equal(device.asks.length, 2);
});

test('a restarted server sends a device that is up to date nothing but, maybe, a new revision', async () => {
  const { device: makeDevice, bindPod, server, clock, registry } = await openHand({ external: true });
  await bindPod('a', 'n1');
  const device = makeDevice('n1');
  const snapshot = await bringUp(device);
  for (let n = 0; n < 5; n++) {
    await registry.create(secretKind, { metadata: { name: `s${n}`, namespace: 'default' } });
  }
  await server.crash();
  await server.start();
  await clock.advance(20);
  await device.hello(heldAfter(snapshot));
  assert.deepEqual([device.sets.length, device.asks.length], [2, 1]);
  const last = device.sets.at(-1);
  assert.deepEqual([last?.put, last?.del, last?.hash], [[], [], snapshot.hash]);
});

test('a burst of changes travels as one delta, within 10 ms of the first', async () => {
  const { device: makeDevice, registry, clock } = await openHand();
  const device = makeDevice('n1');
  await bringUp(device);
  const spec = { nodeName: 'n1', containers: [{ name: 'main', image: 'i' }] };
  for (const name of ['a', 'b', 'c']) {
    await registry.create(podKind, { metadata: { name, namespace: 'default' }, spec });
  }
  await clock.advance(10);
  assert.equal(device.sets.length, 2);
  assert.equal(device.sets.at(-1)?.put.length, 3);
});

test('deltas follow each other without waiting to be confirmed', async () => {
  const { device: makeDevice, bindPod } = await openHand();
  const device = makeDevice('n1');
  const snapshot = await bringUp(device);
  await bindPod('a', 'n1');
  await bindPod('b', 'n1');
  const ranges = device.sets
    .slice(1)
    .map((message) => message.type === 'delta' && [message.from, message.to]);
  assert.deepEqual(ranges, [
    [snapshot.to, snapshot.to + 1],
    [snapshot.to + 1, snapshot.to + 2],
  ]);
});

test('what a device does not confirm is sent again, from what it last confirmed, ever more rarely', async () => {
  const { device: makeDevice, bindPod, clock } = await openHand();
  const device = makeDevice('n1');
  const snapshot = await bringUp(device);
  await bindPod('a', 'n1');
  await bindPod('b', 'n1');
  const sentAtOnce = device.sets.length;
  await clock.advance(7_000);
  assert.ok(device.sets.length > sentAtOnce);
  const again = device.sets.at(-1);
  assert.deepEqual([again?.type === 'delta' && again.from, again?.put.length], [snapshot.to, 2]);
  await clock.advance(30 * 60_000);
  assert.ok(device.sets.length < 120, `${device.sets.length} messages in half an hour`);
  await device.digest(heldAfter(again as Message<typeof set>));
  const total = device.sets.length;
  await clock.advance(30 * 60_000);
  assert.equal(device.sets.length, total);
});

test('a status of a pod sends nothing to its device', async () => {
  const { device: makeDevice, bindPod, registry, clock } = await openHand();
  const device = makeDevice('n1');
  await bindPod('a', 'n1');
  await bringUp(device);
  const total = device.sets.length;
  const change = (draft: { status?: { phase?: string } }) => {
    draft.status = { ...draft.status, phase: 'Running' };
  };
  await registry.mutate(podKind, { namespace: 'default', name: 'a' }, change, { subresource: 'status' });
  await clock.advance(60_000);
  assert.equal(device.sets.length, total);
});

test('ConfigMaps and Secrets reach a device exactly while a pod bound to it names them', async () => {
  const { device: makeDevice, bindPod, registry, clock } = await openHand();
  const device = makeDevice('n1');
  await bringUp(device);
  const at = { name: 'c', namespace: 'default' };
  await registry.create(secretKind, { metadata: { ...at, name: 'unnamed' }, data: { k: 'dg==' } });
  await registry.create(secretKind, { metadata: at, data: { k: 'dg==' } });
  const envFrom = [{ secretRef: { name: 'c' } }, { configMapRef: { name: 'c' } }];
  const spec = { containers: [{ name: 'main', image: 'i', envFrom }] };
  const a = await bindPod('a', 'n1', { spec });
  await bindPod('b', 'n1', { spec });
  assert.deepEqual(keysOf(device.sets.at(-2)), [`Pod/${a.metadata?.uid}`, 'Secret/default/c']);
  await registry.create(configMapKind, { metadata: at, data: { k: 'v' } });
  await clock.advance(20);
  assert.deepEqual(keysOf(device.sets.at(-1)), ['ConfigMap/default/c']);
  for (const name of ['a', 'b']) {
    await registry.delete(podKind, { namespace: 'default', name }, { gracePeriodSeconds: 0 });
    await clock.advance(20);
  }
  assert.deepEqual(device.sets.at(-2)?.del, [`Pod/${a.metadata?.uid}`]);
  assert.deepEqual(device.sets.at(-1)?.del.slice(1).sort(), ['ConfigMap/default/c', 'Secret/default/c']);
  const all = JSON.stringify(device.sets);
  assert.equal(all.includes('unnamed'), false);
});
