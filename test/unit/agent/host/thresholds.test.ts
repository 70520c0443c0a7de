import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeAllocatable } from '../../../../agent/host/capacity.ts';
import { shortagesOf } from '../../../../agent/host/conditions.ts';
import { parseReservation, parseThresholds } from '../../../../agent/host/thresholds.ts';

const gibi = 2 ** 30;

test('thresholds are written as for a kubelet; what is not named keeps its default', () => {
  const thresholds = parseThresholds('memory.available<200Mi, nodefs.available<25%');
  assert.deepEqual(thresholds['memory.available'], { count: 200 * 2 ** 20 });
  assert.deepEqual(thresholds['nodefs.available'], { fraction: 0.25 });
  assert.deepEqual(thresholds['pid.available'], { fraction: 0.05 });
  for (const wrong of [
    'memory<1',
    'memory.available',
    'nodefs.available<120%',
    'nodefs.available<x',
    'pid.available<-1',
  ])
    assert.throws(() => parseThresholds(wrong), { code: 'BadConfig' }, wrong);
});

test('pods get what there is less the reservation and what evicts them', () => {
  const capacity = { cpuMillis: 4000, memoryBytes: 4 * gibi, ephemeralStorageBytes: 10 * gibi, pods: 110 };
  const allocatable = nodeAllocatable(capacity, {
    reserved: parseReservation('cpu=500m,memory=1Gi,ephemeral-storage=1Gi'),
    thresholds: parseThresholds(''),
  });
  assert.deepEqual(allocatable, {
    cpuMillis: 3500,
    memoryBytes: 3 * gibi - 100 * 2 ** 20,
    ephemeralStorageBytes: 8 * gibi,
    pods: 110,
  });
  const all = { reserved: parseReservation('memory=8Gi'), thresholds: parseThresholds('') };
  assert.equal(nodeAllocatable(capacity, all).memoryBytes, 0);
  for (const wrong of ['cpu', 'gpu=1', 'memory=much', 'cpu=-1'])
    assert.throws(() => parseReservation(wrong), { code: 'BadConfig' }, wrong);
});

test('a shortage says what is left of what', () => {
  const load = {
    memoryTotalBytes: gibi,
    memoryAvailableBytes: gibi,
    disk: { totalBytes: 1000, availableBytes: 90, totalInodes: 100, freeInodes: 50 },
    imageDisk: undefined,
    pidsMax: 1000,
    pidsUsed: 10,
    cpuLimit: undefined,
    load: 0,
  };
  assert.deepEqual(shortagesOf(load, parseThresholds('')), [
    { signal: 'nodefs.available', available: 90, threshold: 100 },
  ]);
});
