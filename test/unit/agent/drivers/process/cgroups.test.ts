import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCgroupMounts } from '../../../../../agent/drivers/process/cgroups.ts';
import { cpuLimitsVersion1, cpuLimitsVersion2 } from '../../../../../agent/drivers/process/limit-files.ts';

const none = { cpuLimitMillis: undefined, cpuRequestMillis: undefined, memoryLimitBytes: undefined };

test('mounts of version 1, version 2 and both are told apart', () => {
  const both = `tmpfs /sys/fs/cgroup tmpfs ro 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,nosuid 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0
`;
  const mounts = parseCgroupMounts(both);
  assert.equal(mounts.unified, '/sys/fs/cgroup/unified');
  assert.equal(mounts.controllers.get('cpu'), '/sys/fs/cgroup/cpu,cpuacct');
  assert.equal(mounts.controllers.get('memory'), '/sys/fs/cgroup/memory');
  const unified = parseCgroupMounts('cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n');
  assert.deepEqual([unified.unified, unified.controllers.size], ['/sys/fs/cgroup', 0]);
  assert.equal(parseCgroupMounts('').unified, undefined);
});

test('thousandths of a core become what Kubernetes makes of them, in both versions', () => {
  const half = { ...none, cpuLimitMillis: 500, cpuRequestMillis: 250 };
  assert.deepEqual(cpuLimitsVersion1(half), [
    ['cpu.cfs_period_us', '100000'],
    ['cpu.cfs_quota_us', '50000'],
    ['cpu.shares', '256'],
  ]);
  assert.deepEqual(cpuLimitsVersion2(half), [
    ['cpu.max', '50000 100000'],
    ['cpu.weight', '10'],
  ]);
  assert.deepEqual([cpuLimitsVersion1(none), cpuLimitsVersion2(none)], [[], []]);
});

test('tiny shares are raised to what the kernel takes', () => {
  const tiny = { ...none, cpuLimitMillis: 1, cpuRequestMillis: 0 };
  assert.deepEqual(cpuLimitsVersion1(tiny)[1], ['cpu.cfs_quota_us', '1000']);
  assert.deepEqual(cpuLimitsVersion1(tiny)[2], ['cpu.shares', '2']);
  assert.deepEqual(cpuLimitsVersion2(tiny)[1], ['cpu.weight', '1']);
});
