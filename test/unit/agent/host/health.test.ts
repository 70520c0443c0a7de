import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { deviceFiles } from '../../../../agent/devices/device-files.ts';
import {
  type Ailments,
  ailmentsOf,
  type Health,
  healthAnnotations,
  healthConditions,
  healthLabels,
  readHealth,
} from '../../../../agent/host/health.ts';
import { HostTree, pc, pi4, type TreeEntries } from '../devices/host-tree.ts';

const nothing: Health = {
  temperature: undefined,
  throttled: undefined,
  underVoltage: undefined,
  storage: undefined,
  battery: undefined,
};
const minuteMs = 60_000;

async function healthOf(...parts: readonly TreeEntries[]): Promise<Health> {
  await using tree = await HostTree.make(...parts);
  return await readHealth(deviceFiles(tree.root));
}

/** The ailments after each look in turn, a minute apart. */
function follow(looks: readonly Partial<Health>[]): string[][] {
  let before: Ailments = new Map();
  return looks.map((look, minute) => {
    before = ailmentsOf({ ...nothing, ...look }, before, minute * minuteMs);
    return [...before.keys()];
  });
}

suite('how a machine is', () => {
  test('a Raspberry Pi tells heat, throttling and its supply', async () => {
    assert.deepEqual(await healthOf(pi4), {
      ...nothing,
      temperature: { celsius: 48, criticalCelsius: 110 },
      throttled: false,
      underVoltage: false,
    });
  });

  test("the firmware's bits: what is now counts, what once was does not", async () => {
    const file = '/sys/devices/platform/soc/soc:firmware/get_throttled';
    const read = async (bits: string) => {
      const { throttled, underVoltage } = await healthOf({ [file]: bits });
      return { throttled, underVoltage };
    };
    assert.deepEqual(await read('50005\n'), { throttled: true, underVoltage: true });
    assert.deepEqual(await read('0x50000\n'), { throttled: false, underVoltage: false });
    assert.deepEqual(await read('8\n'), { throttled: true, underVoltage: false });
  });

  test('a PC tells its wear and its battery, and placement hears of both', async () => {
    const health = await healthOf(pc);
    assert.deepEqual(health.storage, { lifeUsed: 0.3, worn: false });
    assert.deepEqual(healthLabels(health), { 'flotilla.dev/battery': 'true' });
    assert.deepEqual(healthAnnotations(health), { 'flotilla.dev/flash-life-used': '30' });
  });

  test('what it cannot tell is no condition at all', () => {
    assert.deepEqual(healthConditions(nothing, new Map()), []);
  });
});

suite('conditions do not flap', () => {
  const at = (celsius: number) => ({ temperature: { celsius, criticalCelsius: 85 } });

  test('hot begins near the limit and ends well below', () => {
    assert.deepEqual(follow([at(79), at(80), at(76), at(71), at(70), at(75)]), [
      [],
      ['Overheated'],
      ['Overheated'],
      ['Overheated'],
      [],
      [],
    ]);
  });

  test('a supply that dips counts until it was fine for five minutes', () => {
    const dips = [true, false, false, false, false, false, false].map((underVoltage) => ({ underVoltage }));
    assert.deepEqual(
      follow(dips).map(({ length }) => length),
      [1, 1, 1, 1, 1, 0, 0],
    );
  });

  test('a battery is low until it is charged well', () => {
    const battery = (percent: number, discharging: boolean) => ({ battery: { percent, discharging } });
    assert.deepEqual(
      follow([battery(16, true), battery(15, true), battery(20, false), battery(25, false)]).map(
        ({ length }) => length,
      ),
      [0, 1, 1, 0],
    );
  });

  test('no message holds a measurement, so that a degree is no news', () => {
    const told = (celsius: number) => {
      const health = { ...nothing, ...at(celsius) };
      return healthConditions(health, ailmentsOf(health, new Map(), 0));
    };
    assert.deepEqual(told(40), told(41));
    assert.equal(told(84)[0]?.reason, 'TemperatureHigh');
  });
});
