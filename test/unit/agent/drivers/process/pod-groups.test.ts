import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import type { PodLimits } from '../../../../../agent/drivers/driver.ts';
import { openCgroups } from '../../../../../agent/drivers/process/cgroups.ts';

/** Folders that look like the kernel's: what is written can be read, and nothing is enforced. */
function machine(context: TestContext, versions: { unified?: boolean; version1?: readonly string[] }) {
  const root = mkdtempSync(join(tmpdir(), 'flotilla-groups-'));
  context.after(() => rmSync(root, { recursive: true, force: true }));
  const controllers = new Map((versions.version1 ?? []).map((name) => [name, join(root, name)]));
  for (const folder of controllers.values()) makeMount(folder);
  const unified = versions.unified ? join(root, 'unified') : undefined;
  if (unified) makeMount(unified);
  const open = () => {
    const tree = openCgroups('/state', { mounts: { unified, controllers }, own: '/' });
    assert.ok(tree);
    return tree;
  };
  const tree = open();
  tree.pods.make('probe', { ...nothing, qos: 'Guaranteed' });
  const key = tree.pods.parentOf('probe')?.split('/')[2] ?? '';
  const read = (mount: string, podUid: string, file: string) =>
    readFileSync(join(root, mount, 'flotilla', key, tree.pods.pathOf(podUid), file), 'utf8');
  return { root, tree, open, read, key };
}

function makeMount(folder: string): void {
  mkdirSync(folder);
  writeFileSync(join(folder, 'cgroup.procs'), '');
}

const nothing = { cpuLimitMillis: undefined, cpuRequestMillis: 0, memoryLimitBytes: undefined };
const burstable: PodLimits = {
  qos: 'Burstable',
  cpuRequestMillis: 500,
  cpuLimitMillis: undefined,
  memoryLimitBytes: 64 * 2 ** 20,
  memoryMinBytes: 2 ** 20,
  pidsMax: 100,
};

suite("a pod's group", () => {
  test('lies by quality of service, and its engine is told the same place', (context) => {
    const { tree, key } = machine(context, { version1: ['cpu', 'memory', 'pids'] });
    tree.pods.make('g', { ...burstable, qos: 'Guaranteed' });
    tree.pods.make('b', burstable);
    tree.pods.make('e', { ...nothing, qos: 'BestEffort' });
    assert.equal(tree.pods.parentOf('g'), `/flotilla/${key}/g`);
    assert.equal(tree.pods.parentOf('b'), `/flotilla/${key}/burstable/b`);
    assert.equal(tree.pods.parentOf('e'), `/flotilla/${key}/besteffort/e`);
    assert.equal(tree.pods.parentOf('unknown'), undefined);
  });

  test('has the limits of the pod, in words of version 1', (context) => {
    const { tree, read } = machine(context, { version1: ['cpu', 'memory', 'pids'] });
    tree.pods.make('b', burstable);
    assert.equal(read('cpu', 'b', 'cpu.shares'), '512');
    assert.equal(read('cpu', 'b', 'cpu.cfs_quota_us'), '-1');
    assert.equal(read('memory', 'b', 'memory.limit_in_bytes'), String(64 * 2 ** 20));
    assert.equal(read('pids', 'b', 'pids.max'), '100');
  });

  test('has the limits of the pod, in words of version 2, and keeps what it was promised', (context) => {
    const { tree, read } = machine(context, { unified: true });
    tree.pods.make('b', burstable);
    tree.pods.make('c', { ...burstable, cpuRequestMillis: 250, cpuLimitMillis: 1500 });
    assert.equal(read('unified', 'b', 'cpu.weight'), '20');
    assert.equal(read('unified', 'b', 'cpu.max'), 'max 100000');
    assert.equal(read('unified', 'c', 'cpu.max'), '150000 100000');
    assert.equal(read('unified', 'b', 'memory.max'), String(64 * 2 ** 20));
    assert.equal(read('unified', 'b', 'pids.max'), '100');
    assert.equal(read('unified', 'b', '../memory.min'), String(2 * 2 ** 20));
    assert.equal(read('unified', 'b', '../../memory.min'), String(2 * 2 ** 20));
    assert.equal(read('unified', 'b', '../cpu.weight'), '30', 'as much as its pods');
  });

  test('that asks for nothing weighs next to nothing, with all of its kind', (context) => {
    const { tree, read } = machine(context, { version1: ['cpu', 'memory', 'pids'] });
    for (const uid of ['d', 'e', 'f']) tree.pods.make(uid, { ...nothing, qos: 'BestEffort' });
    assert.equal(read('cpu', 'e', 'cpu.shares'), '2');
    assert.equal(read('cpu', 'e', '../cpu.shares'), '2');
  });

  test('is raised before its containers and lowered after them, never below what is used', (context) => {
    const { tree, read, root, key } = machine(context, { version1: ['cpu', 'memory', 'pids'] });
    tree.pods.make('b', burstable);
    const less = { ...burstable, memoryLimitBytes: 32 * 2 ** 20, cpuLimitMillis: 100 };
    tree.pods.update('b', less, 'raise');
    assert.equal(read('memory', 'b', 'memory.limit_in_bytes'), String(64 * 2 ** 20));
    assert.equal(read('cpu', 'b', 'cpu.cfs_quota_us'), '-1');
    const usage = join(root, 'memory/flotilla', key, 'burstable/b/memory.usage_in_bytes');
    writeFileSync(usage, String(40 * 2 ** 20));
    assert.throws(() => tree.pods.update('b', less, 'exact'), {
      code: 'ResizeError',
      message: `attempting to set pod memory limit (${32 * 2 ** 20}) below current usage (${40 * 2 ** 20})`,
    });
    writeFileSync(usage, String(2 ** 20));
    tree.pods.update('b', less, 'exact');
    assert.equal(read('memory', 'b', 'memory.limit_in_bytes'), String(32 * 2 ** 20));
    assert.equal(read('cpu', 'b', 'cpu.cfs_quota_us'), '10000');
    tree.pods.update('b', { ...burstable, memoryLimitBytes: undefined }, 'raise');
    assert.equal(read('memory', 'b', 'memory.limit_in_bytes'), '-1');
  });

  test('of an earlier agent stays where it is, with its containers', (context) => {
    const { tree, root, key, open } = machine(context, { version1: ['cpu', 'memory', 'pids'] });
    for (const mount of ['cpu', 'memory', 'pids'])
      mkdirSync(join(root, mount, 'flotilla', key, 'old/main-0'), { recursive: true });
    writeFileSync(join(root, 'pids/flotilla', key, 'old/main-0/cgroup.procs'), '12\n');
    const later = open();
    assert.deepEqual(later.open('old/main-0').members(), [12]);
    later.pods.make('old', burstable);
    assert.equal(tree.pods.parentOf('old'), `/flotilla/${key}/old`);
    assert.deepEqual(later.open('old/main-0').members(), [12]);
  });
});

suite('control groups that are not all there', () => {
  test('none at all, or none that can be written, is no tree', () => {
    assert.equal(
      openCgroups('/state', { mounts: { unified: undefined, controllers: new Map() }, own: '/' }),
      undefined,
    );
    const mounts = { unified: '/proc/nowhere', controllers: new Map([['cpu', '/proc/nowhere']]) };
    assert.equal(openCgroups('/state', { mounts, own: '/' }), undefined);
  });

  test('what lies over a mount is not taken for control groups', (context) => {
    const folder = mkdtempSync(join(tmpdir(), 'flotilla-groups-'));
    context.after(() => rmSync(folder, { recursive: true, force: true }));
    const mounts = { unified: folder, controllers: new Map([['pids', folder]]) };
    assert.equal(openCgroups('/state', { mounts, own: '/' }), undefined);
  });

  test('one controller that is missing leaves the others', (context) => {
    const { tree } = machine(context, { version1: ['cpu', 'pids', 'freezer'] });
    assert.deepEqual([tree.limitsCpu, tree.limitsMemory, tree.limitsPids], [true, false, true]);
    assert.match(tree.description, /cgroup v1, limits enforced: cpu, pids/);
    const group = tree.create('p/main-0', { ...nothing, memoryLimitBytes: 1000, pidsMax: 5 });
    assert.equal(group.joinFiles.length, 3);
  });

  test('a group that cannot be made any more does not keep a container from starting', (context) => {
    const { tree, root } = machine(context, { version1: ['cpu', 'memory', 'pids'] });
    rmSync(join(root, 'memory'), { recursive: true });
    writeFileSync(join(root, 'memory'), '');
    assert.equal(tree.create('p/main-0', { ...nothing, memoryLimitBytes: 1000 }).joinFiles.length, 2);
  });
});
