import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import * as fc from 'fast-check';
import { selectableDevice, selectorCompiler } from '../../../../../protocol/cel/device-selector.ts';
import type {
  Device,
  DeviceClaim,
  DeviceRequestAllocationResult,
  ResourceResourceClaim,
} from '../../../../../protocol/generated/models.ts';
import { allocate, deviceKey, type OfferedDevice } from '../../../../../server/scheduler/devices/allocate.ts';

const driver = 'usb.flotilla.dev';
const compile = selectorCompiler();

function offered(devices: readonly Device[]): OfferedDevice[] {
  return devices.map((device) => ({
    driver,
    pool: 'node-1',
    device,
    selectable: selectableDevice(driver, device),
  }));
}

function usb(name: string, vendor: string, more: Partial<Device> = {}): Device {
  return { name, attributes: { vendor: { string: vendor } }, ...more };
}

function claim(devices: DeviceClaim): ResourceResourceClaim {
  return { metadata: { name: 'claim' }, spec: { devices } };
}

function one(name: string, expression?: string, more = {}): ResourceResourceClaim {
  const selectors = expression === undefined ? [] : [{ cel: { expression } }];
  return claim({ requests: [{ name, exactly: { deviceClassName: driver, selectors, ...more } }] });
}

function run(
  claims: readonly ResourceResourceClaim[],
  devices: readonly Device[],
  taken: ReadonlySet<string> = new Set(),
): string[][] | undefined {
  const found = allocate({
    claims,
    isTaken: (device) => taken.has(device),
    candidates: ({ selectors = [] }) =>
      offered(devices).filter(({ selectable }) =>
        selectors.every(({ cel }) => compile(cel?.expression ?? '').matches(selectable)),
      ),
  });
  const shown = ({ request, device }: DeviceRequestAllocationResult) => `${request}=${device}`;
  return found?.map((results) => results.map(shown));
}

const sticks = [usb('a', '0403'), usb('b', '10c4'), usb('c', '0403')];

suite('which devices a claim gets', () => {
  test('those that its expression selects', () => {
    const expression = `device.driver == "${driver}" && device.attributes["${driver}"].vendor == "10c4"`;
    assert.deepEqual(run([one('stick', expression)], sticks), [['stick=b']]);
  });

  test('as many as it asks for, or none', () => {
    const ftdi = `device.attributes["${driver}"].vendor == "0403"`;
    assert.deepEqual(run([one('pair', ftdi, { count: 2 })], sticks), [['pair=a', 'pair=c']]);
    assert.equal(run([one('three', ftdi, { count: 3 })], sticks), undefined);
  });

  test('All means every one that there is, and none may be in use', () => {
    const all = one('all', undefined, { allocationMode: 'All' });
    assert.deepEqual(run([all], sticks), [['all=a', 'all=b', 'all=c']]);
    assert.equal(run([all], sticks, new Set([`${driver}/node-1/b`])), undefined);
    assert.equal(run([all], []), undefined);
  });

  test('the first choice that can be had', () => {
    const choice = (name: string, vendor: string) => ({
      name,
      deviceClassName: driver,
      selectors: [{ cel: { expression: `device.attributes["${driver}"].vendor == "${vendor}"` } }],
    });
    const wanted = claim({
      requests: [{ name: 'r', firstAvailable: [choice('best', 'ffff'), choice('good', '10c4')] }],
    });
    assert.deepEqual(run([wanted], sticks), [['r/good=b']]);
  });

  test('a choice is taken back when what comes later would find nothing', () => {
    const any = one('any');
    const ftdi = one('ftdi', `device.attributes["${driver}"].vendor == "0403"`);
    assert.deepEqual(run([any, ftdi], [usb('a', '0403'), usb('b', '10c4')]), [['any=b'], ['ftdi=a']]);
  });

  test('constraints hold over the requests that they name', () => {
    const request = (name: string) => ({ name, exactly: { deviceClassName: driver, selectors: [] } });
    const matching = (constraint: object) =>
      claim({
        requests: [request('x'), request('y')],
        constraints: [{ requests: ['x', 'y'], ...constraint }],
      });
    assert.deepEqual(run([matching({ matchAttribute: `${driver}/vendor` })], sticks), [['x=a', 'y=c']]);
    assert.deepEqual(run([matching({ distinctAttribute: `${driver}/vendor` })], sticks), [['x=a', 'y=b']]);
    assert.equal(run([matching({ matchAttribute: `${driver}/serial` })], sticks), undefined);
  });

  test('a tainted device only goes to who tolerates it', () => {
    const broken = [usb('a', '0403', { taints: [{ key: 'broken', effect: 'NoSchedule' }] })];
    assert.equal(run([one('r')], broken), undefined);
    const tolerant = one('r', undefined, { tolerations: [{ key: 'broken', operator: 'Exists' }] });
    assert.deepEqual(run([tolerant], broken), [['r=a']]);
  });
});

suite('laws', () => {
  const vendors = fc.constantFrom('0403', '10c4', '1a86');
  const devices = fc
    .array(vendors, { maxLength: 7 })
    .map((list) => list.map((vendor, index) => usb(`d${index}`, vendor)));
  const requests = fc.record({ vendor: fc.option(vendors), count: fc.integer({ min: 1, max: 3 }) });

  test('no device is ever given twice, taken ones never, and each fits what asked for it', () => {
    fc.assert(
      fc.property(
        devices,
        fc.array(requests, { maxLength: 4 }),
        fc.infiniteStream(fc.boolean()),
        (list, wanted, coin) => {
          const taken = new Set(
            list
              .filter(() => coin.next().value)
              .map(({ name }) => deviceKey({ driver, pool: 'node-1', device: name })),
          );
          const claims = wanted.map(({ vendor, count }) =>
            one('r', vendor === null ? undefined : `device.attributes["${driver}"].vendor == "${vendor}"`, {
              count,
            }),
          );
          const found = run(claims, list, taken);
          const free = list.filter(({ name }) => !taken.has(`${driver}/node-1/${name}`));
          if (!found) return !canAll(wanted, free);
          const given = found.flat().map((text) => text.slice(2));
          assert.equal(new Set(given).size, given.length);
          for (const name of given) assert.ok(free.some((device) => device.name === name));
          found.forEach((results, index) => {
            assert.equal(results.length, wanted[index]?.count);
            for (const text of results) {
              const device = list.find(({ name }) => name === text.slice(2));
              const vendor = wanted[index]?.vendor;
              if (vendor) assert.equal(device?.attributes?.['vendor']?.string, vendor);
            }
          });
          return true;
        },
      ),
    );
  });
});

/** Those with a vendor take theirs, the rest what is left: a count that needs no search. */
function canAll(
  wanted: readonly { vendor: string | null; count: number }[],
  free: readonly Device[],
): boolean {
  const left = new Map<string, number>();
  for (const { attributes } of free) {
    const vendor = attributes?.['vendor']?.string ?? '';
    left.set(vendor, (left.get(vendor) ?? 0) + 1);
  }
  for (const { vendor, count } of wanted)
    if (vendor !== null) left.set(vendor, (left.get(vendor) ?? 0) - count);
  if ([...left.values()].some((count) => count < 0)) return false;
  const rest = [...left.values()].reduce((sum, count) => sum + count, 0);
  return wanted.filter(({ vendor }) => vendor === null).reduce((sum, { count }) => sum + count, 0) <= rest;
}
