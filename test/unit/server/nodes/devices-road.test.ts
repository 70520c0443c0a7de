import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeKind } from '../../../../protocol/kinds/node.ts';
import { resourceSliceKind } from '../../../../protocol/kinds/resource-slice.ts';
import type { NodeReport } from '../../../../protocol/topics/sync.ts';
import { openHand, report } from './hand-device.ts';

/** What a device's words about its hardware come to in the store. */
const stick = (name: string, driver = 'usb.flotilla.dev') => ({
  driver,
  name,
  attributes: { vendor: '0403' },
});

async function openDevice() {
  const hand = await openHand();
  const device = hand.device('n1');
  await device.hello();
  let seq = 0;
  const say = (more: Partial<NodeReport>) =>
    device.status((seq += 1), [], { report: { ...report, ...more } });
  const slices = async () => (await hand.registry.list(resourceSliceKind)).items;
  return { ...hand, say, slices };
}

test('devices become slices, one a driver, owned by the node, and go when nothing is left', async () => {
  const { say, slices, registry } = await openDevice();
  await say({ devices: [stick('a'), stick('b'), stick('c', 'gpio.flotilla.dev')] });
  const made = await slices();
  assert.deepEqual(
    made.map(({ metadata, spec }) => [metadata?.name, spec.nodeName, spec.devices?.map(({ name }) => name)]),
    [
      ['n1-gpio.flotilla.dev', 'n1', ['c']],
      ['n1-usb.flotilla.dev', 'n1', ['a', 'b']],
    ],
  );
  const node = await registry.get(nodeKind, { name: 'n1' });
  assert.equal(made[0]?.metadata?.ownerReferences?.[0]?.uid, node.metadata?.uid);
  assert.deepEqual(made[0]?.spec.devices?.[0]?.attributes, { vendor: { string: '0403' } });
  await say({ devices: [stick('a')] });
  const [left, ...others] = await slices();
  assert.equal(others.length, 0);
  assert.equal(left?.spec.pool.generation, 2);
});

test('nothing is written when nothing changed', async () => {
  const { say, slices } = await openDevice();
  await say({ devices: [stick('a')] });
  const [before] = await slices();
  await say({ devices: [stick('a')], labels: { other: 'label' } });
  assert.deepEqual(await slices(), [before]);
});

test('a device speaks for our drivers alone, and its odd names are left out', async () => {
  const { say, slices } = await openDevice();
  const odd = { ...stick('ok'), attributes: { 'not a name!': 'x', long: 'y'.repeat(100) } };
  await say({ devices: [stick('a', 'gpu.nvidia.com'), stick('Not A Label'), odd] });
  const [only, ...others] = await slices();
  assert.equal(others.length, 0);
  assert.deepEqual(only?.spec.devices, [{ name: 'ok', attributes: { long: { string: 'y'.repeat(64) } } }]);
});

test('a condition that the device cannot tell any more goes, annotations are the known ones', async () => {
  const { say, registry } = await openDevice();
  const battery = { type: 'BatteryLow', status: 'True' as const, reason: 'x', message: '' };
  const annotations = { 'flotilla.dev/flash-life-used': '30', 'kubectl.kubernetes.io/other': 'x' };
  const node = async () => registry.get(nodeKind, { name: 'n1' });
  const types = async () => (await node()).status?.conditions?.map(({ type }) => type);
  await say({ conditions: [...report.conditions, battery], annotations });
  assert.equal((await types())?.includes('BatteryLow'), true);
  assert.equal((await node()).metadata?.annotations?.['flotilla.dev/flash-life-used'], '30');
  assert.equal((await node()).metadata?.annotations?.['kubectl.kubernetes.io/other'], undefined);
  await say({});
  assert.equal((await types())?.includes('BatteryLow'), false);
  assert.equal((await node()).metadata?.annotations?.['flotilla.dev/flash-life-used'], undefined);
});
