import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { DriverError } from '../../../../agent/drivers/errors.ts';
import { PullQueue } from '../../../../agent/images/pull-queue.ts';
import { holdMaxMs, Stager } from '../../../../agent/images/stager.ts';
import { silentLogger } from '../../../../lib/log.ts';
import { seededRandom } from '../../../../lib/random.ts';
import { settle } from '../../../support/manual-clock.ts';
import { Device } from '../pods/device.ts';
import { pod } from '../pods/plan-cases.ts';

const key = 'Coming/DaemonSet/ns/web';
const old = pod({}, { uid: 'u1' });

function coming(image: string, more: object = {}) {
  const containers = [{ name: 'app', image }];
  const object = { namespace: 'ns', pods: ['u1'], containers, imagePullSecrets: [], ...more };
  return { key, digest: JSON.stringify(object), object };
}

function stagerOn(device: Device, woken: string[] = []) {
  const { clock, engine, desired } = device;
  return new Stager({
    desired,
    clock,
    random: seededRandom(1),
    log: silentLogger,
    driverOf: () => engine,
    wake: (uid) => woken.push(uid),
    images: {
      clock,
      queue: new PullQueue(1),
      secret: () => undefined,
      announce: (_uid, { reason, message }) => device.events.push(`${reason}: ${message}`),
    },
  });
}

suite('coming images', () => {
  test('are fetched while the old pod runs, spread over time', async () => {
    const device = new Device();
    device.engine.absent.add('web:2');
    const stager = stagerOn(device);
    device.desired.put(coming('web:2'));
    assert.deepEqual(stager.wanted(), ['web:2']);
    await settle();
    assert.equal(device.engine.calls.length, 0);
    await device.clock.advance(30_000);
    assert.ok(device.engine.calls.includes('fetch web:2'));
    assert.equal(stager.heldUntilMs(old), undefined);
    stager.stop();
  });

  test('hold a pod that is deleted, are fetched at once then, and let it go', async () => {
    const device = new Device();
    device.engine.absent.add('web:2');
    let release = () => {};
    device.engine.holdPull = new Promise((resolve) => {
      release = resolve;
    });
    const woken: string[] = [];
    const stager = stagerOn(device, woken);
    device.desired.put(coming('web:2'));
    assert.equal(stager.heldUntilMs(old), holdMaxMs);
    await device.clock.advance(0);
    assert.ok(device.engine.calls.includes('fetch web:2'));
    await device.clock.advance(1_000);
    assert.equal(stager.heldUntilMs(old), holdMaxMs, 'counted from when it was first asked about');
    release();
    await settle();
    assert.deepEqual([stager.heldUntilMs(old), woken], [undefined, ['u1']]);
    assert.equal(device.events.filter((event) => event.startsWith('AwaitingImages')).length, 1);
    stager.stop();
  });

  test('that cannot be had are asked for again, ever less often, and told of', async () => {
    const device = new Device();
    device.engine.failing.set('pull', new DriverError('ErrImagePull', 'no route'));
    const stager = stagerOn(device);
    device.desired.put(coming('web:2'));
    stager.heldUntilMs(old);
    await device.clock.advance(69_000);
    assert.equal(device.engine.calls.length, 3, 'at 0, 10 and 30 seconds');
    assert.ok(device.events.includes('Failed: Failed to pull what its successor needs: no route'));
    assert.equal(stager.heldUntilMs(old), holdMaxMs);
    stager.stop();
  });

  test('that are no longer coming hold nobody', async () => {
    const device = new Device();
    device.engine.holdPull = new Promise(() => {});
    const woken: string[] = [];
    const stager = stagerOn(device, woken);
    device.desired.put(coming('web:2'));
    stager.heldUntilMs(old);
    await device.clock.advance(0);
    device.desired.remove(key);
    assert.deepEqual([stager.heldUntilMs(old), woken], [undefined, ['u1']]);
    stager.stop();
  });

  test('of other pods hold nobody else, and none are fetched that never shall be', async () => {
    const device = new Device();
    const stager = stagerOn(device);
    const containers = [{ name: 'app', image: 'web:2', imagePullPolicy: 'Never' }];
    device.desired.put(coming('web:2', { containers }));
    assert.equal(stager.heldUntilMs(pod({}, { uid: 'u2' })), undefined);
    await device.clock.advance(30_000);
    assert.deepEqual(device.engine.calls, []);
    stager.stop();
  });
});
