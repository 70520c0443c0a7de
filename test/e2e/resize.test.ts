import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Cluster } from './support/cluster.ts';
import { busyboxImage, containersMissing } from './support/images.ts';
import { finish, until } from './support/programs.ts';

/** A running pod gets more or less, with the real kubectl and on each runtime. */
const noContainers = await containersMissing();
const runtimes = [
  { runtime: 'process', image: 'host', skip: undefined },
  { runtime: 'oci', image: busyboxImage, skip: noContainers },
] as const;

interface PodView {
  metadata: { generation: number };
  status: {
    observedGeneration?: number;
    conditions: { type: string; reason?: string; message?: string }[];
    containerStatuses: {
      restartCount: number;
      containerID: string;
      resources?: { limits?: Record<string, string>; requests?: Record<string, string> };
      allocatedResources?: Record<string, string>;
    }[];
  };
}

const mebibyte = 2 ** 20;
/** The limit that the kernel holds the container to, found from within, whatever its version of control groups. */
const readLimit = [
  'while IFS=: read -r _ c p; do case "$c" in memory) v1=$p;; "") v2=$p;; esac; done < /proc/self/cgroup',
  'cat "/sys/fs/cgroup/memory$v1/memory.limit_in_bytes" 2>/dev/null ||',
  'cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null ||',
  'cat "/sys/fs/cgroup$v2/memory.max" 2>/dev/null || cat /sys/fs/cgroup/memory.max',
].join('\n');
const stay = 'trap "exit 0" TERM; while true; do sleep 1 & wait $!; done';

describe('resizing a pod in place', { timeout: 240_000 }, () => {
  let cluster: Cluster;
  const ending: (() => Promise<void>)[] = [];

  before(async () => {
    cluster = await Cluster.start({ after: (task) => void ending.push(task) });
    await cluster.addNodes(['one'], { runtime: 'auto' });
  });
  after(async () => {
    for (const task of ending) await task();
  });

  const apply = (name: string, runtime: string, container: object) =>
    cluster.apply(
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name },
        spec: {
          terminationGracePeriodSeconds: 1,
          runtimeClassName: runtime,
          containers: [{ name: 'app', command: ['sh', '-c', stay], ...container }],
        },
      }),
    );
  const whenPod = (name: string, what: string, holds: (pod: PodView) => boolean) =>
    until(`${name}: ${what}`, async () => {
      const pod = await cluster.json<PodView>(['get', 'pod', name]);
      return holds(pod) ? pod : undefined;
    });
  const patch = (name: string, resources: object) =>
    cluster.ok([
      'patch',
      'pod',
      name,
      '--subresource',
      'resize',
      '--patch',
      JSON.stringify({ spec: { containers: [{ name: 'app', resources }] } }),
    ]);
  const limitOf = async (name: string) =>
    Number(await cluster.ok(['exec', name, '--', 'sh', '-c', readLimit]));
  const closeTo = (actual: number, mebibytes: number) =>
    assert.ok(Math.abs(actual - mebibytes * mebibyte) < 4096, `${actual} is about ${mebibytes} MiB`);
  const condition = ({ status }: PodView, type: string) =>
    status.conditions.find((each) => each.type === type);
  const main = (pod: PodView) => {
    const [status] = pod.status.containerStatuses;
    assert.ok(status);
    return status;
  };

  for (const { runtime, image, skip } of runtimes)
    test(`${runtime}: kubectl patch and edit change what the kernel enforces, and nothing restarts`, {
      skip: skip ?? false,
    }, async () => {
      const resources = { requests: { cpu: '50m', memory: '32Mi' }, limits: { cpu: '500m', memory: '64Mi' } };
      const name = `wide-${runtime}`;
      await apply(name, runtime, { image, resources });
      await cluster.ok(['wait', '--for=condition=Ready', `pod/${name}`, '--timeout=60s']);
      const before = main(await cluster.json<PodView>(['get', 'pod', name]));
      assert.deepEqual([before.resources, before.allocatedResources], [resources, resources.requests]);
      closeTo(await limitOf(name), 64);

      await patch(name, { requests: { memory: '48Mi' }, limits: { memory: '128Mi' } });
      const has = (memory: string) => (pod: PodView) =>
        main(pod).resources?.limits?.['memory'] === memory &&
        pod.status.observedGeneration === pod.metadata.generation &&
        condition(pod, 'PodResizeInProgress') === undefined;
      const wider = await whenPod(name, 'wider', has('128Mi'));
      closeTo(await limitOf(name), 128);
      assert.deepEqual(main(wider).allocatedResources, { cpu: '50m', memory: '48Mi' });

      const editor = join(cluster.directory, 'editor');
      await writeFile(editor, '#!/bin/sh\nexec sed -i s/128Mi/96Mi/ "$1"\n');
      await chmod(editor, 0o755);
      const edited = await finish('kubectl', ['edit', 'pod', name, '--subresource', 'resize'], {
        env: { ...cluster.environment, KUBE_EDITOR: editor },
      });
      assert.equal(edited.code, 0, edited.stderr);
      const narrower = await whenPod(name, 'narrower', has('96Mi'));
      closeTo(await limitOf(name), 96);
      assert.deepEqual([main(narrower).restartCount, main(narrower).containerID], [0, before.containerID]);
    });

  test('a container that asks for it is restarted with its new limit', async () => {
    const resizePolicy = [{ resourceName: 'memory', restartPolicy: 'RestartContainer' }];
    await apply('again', 'process', {
      image: 'host',
      resources: { limits: { memory: '64Mi' } },
      resizePolicy,
    });
    await cluster.ok(['wait', '--for=condition=Ready', 'pod/again', '--timeout=60s']);
    await patch('again', { requests: { memory: '80Mi' }, limits: { memory: '80Mi' } });
    await whenPod('again', 'restarted', (pod) => main(pod).restartCount === 1);
    await cluster.ok(['wait', '--for=condition=Ready', 'pod/again', '--timeout=60s']);
    closeTo(await limitOf('again'), 80);
  });

  test('what the node never has is infeasible; what others have is deferred until they go', async () => {
    const node = await cluster.json<{ status: { allocatable: { cpu: string } } }>(['get', 'node', 'one']);
    const { cpu } = node.status.allocatable;
    const millis = cpu.endsWith('m') ? Number(cpu.slice(0, -1)) : Number(cpu) * 1000;
    const asks = (share: number) => ({ requests: { cpu: `${Math.floor(millis * share)}m` } });
    await apply('big', 'process', { image: 'host', resources: asks(0.5) });
    await apply('small', 'process', { image: 'host', resources: asks(0.1) });
    await cluster.ok(['wait', '--for=condition=Ready', 'pod/big', 'pod/small', '--timeout=60s']);
    await patch('small', asks(3));
    const never = await whenPod('small', 'infeasible', (pod) => !!condition(pod, 'PodResizePending'));
    assert.equal(condition(never, 'PodResizePending')?.reason, 'Infeasible');
    assert.match(
      condition(never, 'PodResizePending')?.message ?? '',
      /^Node didn't have enough capacity: cpu/,
    );
    await patch('small', asks(0.6));
    const later = (pod: PodView) => condition(pod, 'PodResizePending')?.reason === 'Deferred';
    assert.match(
      condition(await whenPod('small', 'deferred', later), 'PodResizePending')?.message ?? '',
      /^Node didn't have enough resource: cpu, requested: \d+, used: \d+, capacity: \d+$/,
    );
    await cluster.ok(['delete', 'pod', 'big', '--grace-period=1']);
    const done = await whenPod('small', 'resized', (pod) => !condition(pod, 'PodResizePending'));
    assert.equal(main(done).allocatedResources?.['cpu'], asks(0.6).requests.cpu);
    assert.equal(main(done).restartCount, 0);
  });
});
