import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deviceHealth } from '../../../../agent/pods/device-health.ts';
import type { ContainerRecord } from '../../../../agent/pods/pod-record.ts';
import { handle } from './plan-cases.ts';

const record: ContainerRecord = {
  handle: handle('app'),
  image: 'app:1',
  imageId: '',
  sandboxAttempt: 1,
  backoffMs: 0,
  replace: false,
  uses: { 'claim:meter/port': ['serial/usb-1'], 'example.com/modem': ['file/a', 'file/b'] },
};
const present = new Map([
  ['serial/usb-1', '/dev/ttyUSB0'],
  ['file/a', '/dev/a'],
]);
const deviceNodes = (key: string) => present.get(key);

test('a container’s devices are told by what it asked for, and how they are', () => {
  const unhealthy = { health: 'Unhealthy', message: 'the device is unplugged' };
  assert.deepEqual(deviceHealth(record, { nodeName: 'pi', deviceNodes }).allocatedResourcesStatus, [
    {
      name: 'claim:meter/port',
      resources: [{ resourceID: 'serial.flotilla.dev/pi/usb-1', health: 'Healthy' }],
    },
    {
      name: 'example.com/modem',
      resources: [
        { resourceID: 'file/a', health: 'Healthy' },
        { resourceID: 'file/b', ...unhealthy },
      ],
    },
  ]);
});

test('nothing is told of one that has ended or has no devices', () => {
  const exit = { exitCode: 0, reason: 'Completed', startedAtMs: 0, finishedAtMs: 1 };
  assert.deepEqual(deviceHealth({ ...record, exit }, { nodeName: 'pi', deviceNodes }), {});
  assert.deepEqual(deviceHealth({ ...record, uses: {} }, { nodeName: 'pi', deviceNodes }), {});
  assert.deepEqual(deviceHealth(record, { nodeName: 'pi' }), {});
});
