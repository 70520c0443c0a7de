import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Cluster } from './support/cluster.ts';
import { processDeployment } from './support/manifests.ts';
import { finish, launcher, until } from './support/programs.ts';

/**
 * Machines whose control groups are missing, read-only or in part, and whose /proc tells little: pods run all the same, and
 * what cannot be done is said. Each agent sees such a machine in a mount namespace of its own.
 */
const machines: Readonly<Record<string, { sees: readonly string[]; tells: RegExp }>> = {
  none: {
    sees: ['mount -t tmpfs tmpfs /sys/fs/cgroup'],
    tells: /limits not enforced by process: cpu, memory, pids\. .*cgroup_enable=memory/,
  },
  readonly: {
    sees: [
      'for m in $(grep -o "/sys/fs/cgroup[^ ]*" /proc/self/mounts); do mount -o remount,bind,ro "$m"; done',
    ],
    tells: /limits not enforced by process: cpu, memory, pids\. /,
  },
  nomemory: {
    sees: [
      'for m in $(grep " cgroup .*memory" /proc/self/mounts | cut -d" " -f2); do umount "$m"; done',
      'if grep -q " cgroup2 " /proc/self/mounts && ! grep -q " cgroup " /proc/self/mounts; then mount -t tmpfs tmpfs /sys/fs/cgroup; fi',
    ],
    tells: /limits not enforced by process: .*memory/,
  },
  unified: {
    // Of version 2 alone, without a single controller where version 1 has them all.
    sees: ['mount -t tmpfs tmpfs /sys/fs/cgroup', 'mount -t cgroup2 cgroup2 /sys/fs/cgroup'],
    tells: /(?:limits not enforced by process: cpu, memory, pids\.|LimitsNotEnforced +False)/,
  },
  blind: {
    sees: [
      'mount -t tmpfs tmpfs /sys',
      'for f in meminfo loadavg stat self/io pressure; do [ -f /proc/$f ] && mount --bind /dev/null /proc/$f; done; true',
    ],
    tells: /limits not enforced by process: cpu, memory, pids/,
  },
};

const allowed = (await finish('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'])).code === 0;

describe('a machine with half of its kernel interfaces', { timeout: 200_000, skip: !allowed }, () => {
  let cluster: Cluster;
  const ending: (() => Promise<void>)[] = [];

  before(async () => {
    cluster = await Cluster.start({ after: (task) => void ending.push(task) });
    for (const [name, { sees }] of Object.entries(machines)) {
      const program = join(cluster.directory, `see-${name}`);
      const script = ['#!/bin/sh', 'mount --make-rprivate /', ...sees, `exec ${launcher} "$@"`];
      await writeFile(program, `${script.join('\n')}\n`);
      await chmod(program, 0o755);
      await cluster.startAgent(name, { program: ['unshare', '-m', program], labels: `machine=${name}` });
    }
  });

  after(async () => {
    for (const task of ending) await task();
  });

  for (const [name, { tells }] of Object.entries(machines))
    test(`${name}: a pod with limits runs, is manageable, and is told what it does not get`, async () => {
      await cluster.waitForNode(name, 'True');
      const limits = 'limits: {cpu: 500m, memory: 64Mi}';
      const manifest = processDeployment(name, { extra: `nodeSelector: {machine: ${name}}` });
      await cluster.apply(manifest.replace('requests: {', `${limits}\n          requests: {`));
      const [pod] = await cluster.readyPods(name, 1);
      assert.equal(await cluster.ok(['exec', pod?.name ?? '', '--', 'echo', 'here']), 'here\n');
      assert.match(await cluster.ok(['logs', '--tail=1', pod?.name ?? '']), /tick/);
      const node = await cluster.ok(['describe', 'node', name]);
      assert.match(node, tells);
      if (/LimitsNotEnforced +True/.test(node))
        await until('the pod tells', async () =>
          /LimitsNotEnforced .*Limits of .*memory are not enforced on this node/.test(
            await cluster.ok(['describe', 'pod', pod?.name ?? '']),
          ),
        );
      await cluster.ok(['delete', 'deployment', name]);
      await until('gone', async () => (await cluster.ok(['get', 'pods', '-o', 'name'])) === '');
    });

  test('what cannot be read is not told as nothing', async () => {
    const path = '/api/v1/nodes/blind/proxy/stats/summary';
    const summary = JSON.parse(await cluster.ok(['get', '--raw', path])) as { node: Record<string, unknown> };
    assert.deepEqual([summary.node['cpu'], summary.node['memory']], [undefined, undefined]);
    const { status } = await cluster.json<{ status: { capacity: { memory: string } } }>([
      'get',
      'node',
      'blind',
    ]);
    assert.match(status.capacity.memory, /^[1-9]\d+Ki$/, 'the kernel was asked in another way');
    const metrics = await cluster.ok(['get', '--raw', '/api/v1/nodes/blind/proxy/metrics/resource']);
    assert.doesNotMatch(metrics, /node_memory_working_set_bytes/);
  });
});
