import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createOciDriver } from '../../agent/drivers/oci-driver.ts';
import { systemFiles } from '../../agent/host/host-files.ts';
import { ImageCollector } from '../../agent/images/collector.ts';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { Cluster } from './support/cluster.ts';
import { busyboxImage, containersMissing } from './support/images.ts';
import { containerDeployment, processDeployment } from './support/manifests.ts';
import { OwnStorage } from './support/own-storage.ts';
import { until } from './support/programs.ts';

/** The engine's own disk, apart from the agent's: full, and nearly full. */
const missing = await containersMissing();
const flags = ['--eviction-pressure-transition-seconds', '1'];
const minuteMs = 60_000;

test('an engine whose disk is full: node and pod say so, its processes go on, and all heals', {
  timeout: 170_000,
  skip: missing ?? false,
}, async (t) => {
  const cluster = await Cluster.start(t);
  const storage = await OwnStorage.create(join(cluster.directory, 'storage'), 64);
  if (!storage) return t.skip('file systems cannot be mounted here');
  t.after(() => storage[Symbol.asyncDispose]());
  const { environment, disk } = storage;
  await cluster.addNodes(['small'], {
    runtime: 'auto',
    environment,
    flags: [...flags, '--eviction-hard', 'imagefs.available<5%'],
  });
  const host = 'hostNetwork: true';
  const late = containerDeployment('late', busyboxImage, { extra: host });
  await cluster.apply(`${processDeployment('good')}---\n${late}`);
  const [good] = await cluster.readyPods('good', 1);
  const [pod] = await cluster.readyPods('late', 1);
  const ours = ['--filter', 'label=flotilla.dev/container=main'];
  const id = (await storage.podman(['ps', '--quiet', ...ours])).trim();
  const pid = Number(await storage.podman(['inspect', '--format', '{{.State.Pid}}', id]));
  await disk.fill();
  await until(
    'the node tells',
    async () => /DiskPressure +True/.test(await cluster.ok(['describe', 'node', 'small'])),
    { timeoutMs: 60_000 },
  );
  process.kill(pid, 'SIGTERM');
  const describePod = () => cluster.ok(['describe', 'pod', pod?.name ?? '']);
  await until('the pod tells', async () => /no space left on device/.test(await describePod()), {
    timeoutMs: 60_000,
    describe: describePod,
  });
  assert.equal(await cluster.ok(['exec', good?.name ?? '', '--', 'echo', 'x']), 'x\n');
  await disk.free();
  await cluster.readyPods('late', 1, 90_000);
  await until(
    'the node is well',
    async () => /DiskPressure +False/.test(await cluster.ok(['describe', 'node', 'small'])),
    { timeoutMs: 60_000 },
  );
});

test('images go at the high threshold until the low one, the longest unused first, and never one that is used', {
  timeout: 120_000,
  skip: missing ?? false,
}, async (t) => {
  const storage = await OwnStorage.create(
    join(process.env['TMPDIR'] ?? '/tmp', `flotilla-gc-${process.pid}`),
    96,
  );
  if (!storage) return t.skip('file systems cannot be mounted here');
  t.after(() => storage[Symbol.asyncDispose]());
  Object.assign(process.env, storage.environment);
  const image = (name: string) => `registry.example/${name}:1`;
  for (const name of ['old', 'staged', 'young', 'held']) await storage.makeImage(image(name), 18);
  await storage.podman(['run', '--detach', '--network', 'host', image('held'), 'sleep', '1000']);
  const clock = new ManualClock();
  const driver = createOciDriver({
    stateDir: join(storage.disk.path, 'state'),
    clock: systemClock,
    log: silentLogger,
    cluster: 'test',
    owner: 'gc',
    engines: ['podman'],
  });
  t.after(() => driver[Symbol.dispose]?.());
  const { images } = driver;
  assert.ok(images);
  const wanted = new Set([image('old'), image('young'), image('staged')]);
  const said: string[] = [];
  let looks = 0;
  const collector = new ImageCollector({
    store: images,
    clock,
    log: silentLogger,
    dataDir: '/',
    space: (path) => systemFiles.space(path),
    highPercent: 85,
    lowPercent: 76,
    wanted: () => {
      looks += 1;
      return wanted;
    },
    announce: ({ message }) => said.push(message),
    onRemoved: () => undefined,
  });
  collector.start();
  t.after(() => collector.stop());
  const names = async () =>
    (await images.list())
      .flatMap(({ tags }) => tags)
      .filter((tag) => tag.startsWith('registry.'))
      .sort();
  /** Time goes by until the images have been looked at, and this holds. */
  const look = (holds: () => Promise<boolean> = () => Promise.resolve(true)) => {
    const before = looks;
    return until('a look at the images', async () => {
      await clock.advance(5 * minuteMs);
      return looks > before && (await holds());
    });
  };
  const all = ['held', 'old', 'staged', 'young'].map(image);
  // Three looks while there is room: all are seen, and `old` is the first that nobody wants any more.
  await look();
  wanted.delete(image('old'));
  await look();
  wanted.delete(image('young'));
  await look();
  assert.deepEqual(await names(), all, 'below the threshold nothing goes');
  await writeFile(join(storage.disk.path, 'filler'), Buffer.alloc(10 * 2 ** 20));
  await look(async () => !(await names()).includes(image('old')));
  assert.deepEqual(
    await names(),
    ['held', 'staged', 'young'].map(image),
    'the longest unused, and no more than it takes',
  );
  assert.deepEqual(said, []);
});
