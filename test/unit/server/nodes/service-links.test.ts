import assert from 'node:assert/strict';
import { test } from 'node:test';
import { namespaceKind } from '../../../../protocol/kinds/namespace.ts';
import { podKind } from '../../../../protocol/kinds/pod.ts';
import { serviceKind } from '../../../../protocol/kinds/service.ts';
import { openHand } from './hand-device.ts';

/** Which services a device is told of, and what of them. */
type Hand = Awaited<ReturnType<typeof openHand>>;

async function addService(
  { registry }: Hand,
  name: string,
  clusterIP: string,
  namespace = 'default',
): Promise<void> {
  const ports = [
    { name: 'web', port: 80, protocol: 'TCP', targetPort: 8080 },
    { name: 'dns', port: 53, protocol: 'UDP' },
  ];
  const selector = { app: name };
  await registry.create(serviceKind, { metadata: { name, namespace }, spec: { clusterIP, ports, selector } });
}

async function snapshotOf({ device: makeDevice }: Hand, node: string) {
  const device = makeDevice(node);
  await device.hello();
  await device.index(device.asks.at(-1)?.request ?? '', []);
  const snapshot = device.sets.at(-1);
  assert.ok(snapshot);
  await device.digest({ epoch: snapshot.epoch, revision: snapshot.to, hash: snapshot.hash });
  return { device, snapshot };
}

const servicesIn = (put: readonly { key: string }[] = []) =>
  put
    .map(({ key }) => key)
    .filter((key) => key.startsWith('Service/'))
    .sort();

test('a device hears of the services of the namespaces of its pods, of name, address and ports only', async () => {
  const hand = await openHand();
  await addService(hand, 'shop', '10.96.0.9');
  await addService(hand, 'silent', 'None');
  await hand.registry.create(namespaceKind, { metadata: { name: 'other' } });
  await addService(hand, 'far', '10.96.0.10', 'other');
  await hand.bindPod('a', 'n1');
  const { snapshot } = await snapshotOf(hand, 'n1');
  assert.deepEqual(servicesIn(snapshot.put), ['Service/default/shop']);
  const entry = snapshot.put.find(({ key }) => key === 'Service/default/shop');
  assert.deepEqual(entry?.object, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'shop', namespace: 'default' },
    spec: {
      clusterIP: '10.96.0.9',
      ports: [
        { name: 'web', port: 80 },
        { name: 'dns', port: 53, protocol: 'UDP' },
      ],
    },
  });
  assert.deepEqual(servicesIn((await snapshotOf(hand, 'n2')).snapshot.put), []);
});

test('services come and go on a device with the last pod that wants them', async () => {
  const hand = await openHand();
  const pod = await hand.bindPod('a', 'n1');
  const { device } = await snapshotOf(hand, 'n1');
  await addService(hand, 'late', '10.96.0.11');
  await hand.clock.advance(100);
  assert.deepEqual(servicesIn(device.sets.at(-1)?.put), ['Service/default/late']);
  await hand.registry.delete(
    podKind,
    { namespace: 'default', name: pod.metadata?.name ?? '' },
    { gracePeriodSeconds: 0 },
  );
  await hand.clock.advance(100);
  assert.ok(device.sets.at(-1)?.del.includes('Service/default/late'));
  await addService(hand, 'later', '10.96.0.12');
  await hand.clock.advance(100);
  assert.ok(!servicesIn(device.sets.at(-1)?.put).includes('Service/default/later'));
});

test('a service that is deleted, or loses its address, leaves the devices that knew it', async () => {
  const hand = await openHand();
  await addService(hand, 'shop', '10.96.0.9');
  await hand.bindPod('a', 'n1');
  const { device } = await snapshotOf(hand, 'n1');
  await hand.registry.delete(serviceKind, { namespace: 'default', name: 'shop' });
  await hand.clock.advance(100);
  assert.deepEqual(device.sets.at(-1)?.del, ['Service/default/shop']);
});
