import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createUsageReader } from '../../../../agent/stats/read-usage.ts';

/** A machine that is nothing but its files. */
function reader(contents: Record<string, string>, processIds: readonly number[] = []) {
  const files = { read: (path: string) => Promise.resolve(contents[path]) };
  return createUsageReader({ files, processIds: () => processIds, pageBytes: 4096 });
}

test('version 2: microseconds become nanoseconds, and idle file cache is no use of memory', async () => {
  const usage = await reader({
    '/proc/self/mounts': 'cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n',
    '/proc/self/cgroup': '0::/system.slice/flotilla.service\n',
    '/proc/7/cgroup': '0::/flotilla/pod/main\n',
    '/sys/fs/cgroup/flotilla/pod/main/cpu.stat': 'usage_usec 1500\nuser_usec 1000\n',
    '/sys/fs/cgroup/flotilla/pod/main/memory.current': '10000\n',
    '/sys/fs/cgroup/flotilla/pod/main/memory.stat': 'anon 1\ninactive_file 4000\n',
  });
  assert.deepEqual(await usage.group(7), { cpuNanos: 1_500_000, workingSetBytes: 6000 });
});

test('version 1: each controller has its own path', async () => {
  const usage = await reader({
    '/proc/self/mounts': 'x /cg/cpu cgroup rw,cpu,cpuacct 0 0\nx /cg/memory cgroup rw,memory 0 0\n',
    '/proc/self/cgroup': '2:cpu,cpuacct:/\n1:memory:/agent\n',
    '/proc/7/cgroup': '2:cpu,cpuacct:/a\n1:memory:/b\n',
    '/cg/cpu/a/cpuacct.usage': '77\n',
    '/cg/memory/b/memory.usage_in_bytes': '5000\n',
    '/cg/memory/b/memory.stat': 'inactive_file 1\ntotal_inactive_file 6000\n',
  });
  assert.deepEqual(await usage.group(7), { cpuNanos: 77, workingSetBytes: 0 });
});

test("what shares the agent's group has none of its own, and its process tree is counted", async () => {
  const stat = (pid: number, parent: number, ticks: number) =>
    `${pid} (a b) c) S ${parent} 1 1 0 0 0 0 0 0 0 ${ticks} 1 2 3 20 0 1 0 500 9999 10 0`;
  const usage = await reader(
    {
      '/proc/self/mounts': 'cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n',
      '/proc/self/cgroup': '0::/agent\n',
      '/proc/7/cgroup': '0::/agent\n',
      '/sys/fs/cgroup/agent/cpu.stat': 'usage_usec 1\n',
      '/sys/fs/cgroup/agent/memory.current': '1\n',
      '/proc/7/stat': stat(7, 1, 10),
      '/proc/8/stat': stat(8, 7, 20),
      '/proc/9/stat': stat(9, 8, 30),
      '/proc/10/stat': stat(10, 1, 1000),
    },
    [7, 8, 9, 10, 11],
  );
  assert.equal(await usage.group(7), undefined);
  assert.deepEqual(await usage.tree(7), { cpuNanos: (60 + 3 * 6) * 1e7, workingSetBytes: 3 * 10 * 4096 });
  assert.equal(await usage.tree(11), undefined);
});

test('the host: idle and waiting time is no use', async () => {
  const usage = await reader({
    '/proc/stat': 'cpu  1 2 3 1000 1000 4 5 6 0 0\ncpu0 9 9 9 9\n',
    '/proc/meminfo': 'MemTotal:  100 kB\nMemFree:  20 kB\nInactive(file):  30 kB\n',
  });
  assert.deepEqual(await usage.host(), { cpuNanos: 21 * 1e7, workingSetBytes: 50 * 1024 });
});
