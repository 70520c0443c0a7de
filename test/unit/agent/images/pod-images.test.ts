import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { DriverError } from '../../../../agent/drivers/errors.ts';
import type { Pod, PodSpec } from '../../../../protocol/generated/models.ts';
import { Device } from '../pods/device.ts';
import { container, pod } from '../pods/plan-cases.ts';

const podOf = (uid: string, spec: Partial<PodSpec> = {}, metadata: Pod['metadata'] = {}) =>
  pod(spec, { uid, name: uid, ...metadata });

function pullSecret(name: string, auth: string) {
  const config = JSON.stringify({ auths: { 'docker.io': { auth } } });
  const data = { '.dockerconfigjson': Buffer.from(config).toString('base64') };
  const object = {
    kind: 'Secret',
    metadata: { namespace: 'ns', name },
    type: 'kubernetes.io/dockerconfigjson',
    data,
  };
  return { key: `Secret/ns/${name}`, digest: name, object };
}

async function deviceWithout(image: string): Promise<Device> {
  const device = new Device();
  device.engine.absent.add(image);
  await device.startAgent();
  return device;
}

suite('the image of a pod', () => {
  test('is told of while and after it is fetched, with time and size', async () => {
    const device = await deviceWithout('app:1');
    await device.want(podOf('p1'));
    assert.deepEqual(device.events.slice(0, 2), [
      'Pulling: Pulling image "app:1"',
      'Pulled: Successfully pulled image "app:1" in 0ms (0ms including waiting). Image size: 1234 bytes.',
    ]);
    await device.stopAgent();
  });

  test('is fetched with the secrets of its pod; a missing one is told of', async () => {
    const device = await deviceWithout('app:1');
    device.desired.put(pullSecret('one', 'b25l'));
    const imagePullSecrets = [{ name: 'one' }, { name: 'two' }];
    await device.want(podOf('p1', { imagePullSecrets }));
    assert.ok(device.engine.calls.includes('fetch app:1 b25l'));
    assert.ok(
      device.events.includes(
        'FailedToRetrieveImagePullSecret: Unable to retrieve some image pull secrets (two); attempting to pull the image may not succeed.',
      ),
    );
    assert.ok(!JSON.stringify(device.events).includes('b25l'));
    await device.stopAgent();
  });

  test('wanted by two pods at once is fetched once', async () => {
    const device = await deviceWithout('app:1');
    let release = () => {};
    device.engine.holdPull = new Promise((resolve) => {
      release = resolve;
    });
    await device.want(podOf('p1'), podOf('p2'));
    assert.equal(device.engine.calls.filter((call) => call.startsWith('fetch ')).length, 1);
    release();
    device.engine.holdPull = undefined;
    await device.quiet();
    assert.deepEqual(device.engine.running.sort(), ['p1-app-0', 'p2-app-0']);
    await device.stopAgent();
  });

  test('that cannot be had is told of in words that people search for', async () => {
    const device = new Device();
    device.engine.failing.set('pull', new DriverError('ErrImagePull', 'no route'));
    await device.startAgent();
    await device.want(podOf('p1'));
    await device.advance(3_000);
    assert.deepEqual(device.events, [
      'Failed: Failed to pull image "app:1": no route',
      'Failed: Error: ErrImagePull',
      'BackOff: Back-off pulling image "app:1"',
      'Failed: Error: ImagePullBackOff',
    ]);
    await device.stopAgent();
  });

  test('with a name that is none is refused as such', async () => {
    const device = new Device();
    device.engine.failing.set('pull', new DriverError('InvalidImageName', 'not a name'));
    await device.startAgent();
    await device.want(podOf('p1', { containers: [container('app', { image: 'UPPER' })] }));
    assert.deepEqual(device.events, ['InspectFailed: not a name', 'Failed: Error: InvalidImageName']);
    assert.equal(device.status('p1').containerStatuses?.[0]?.state?.waiting?.reason, 'InvalidImageName');
    await device.stopAgent();
  });
});
