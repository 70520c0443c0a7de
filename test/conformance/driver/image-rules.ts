import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PullPolicy, RuntimeDriver } from '../../../agent/drivers/driver.ts';
import { imageArchive } from '../../../agent/drivers/oci/image-archive.ts';
import { goArchitecture } from '../../../protocol/go-architecture.ts';
import {
  type BenchTraits,
  containerSpec,
  type DriverBench,
  exited,
  runningPid,
  sandboxSpec,
  startOne,
  testWhen,
} from './bench.ts';
import { scripts } from './scripts.ts';

async function pull(
  driver: RuntimeDriver,
  image: string,
  { policy, signal }: { policy: PullPolicy; signal: AbortSignal },
): Promise<unknown> {
  return driver.pull?.(image, { policy, signal });
}

export function imageRules(use: () => DriverBench, traits: BenchTraits): void {
  const signal = new AbortController().signal;

  testWhen(traits.pulls)(
    'an image that is present is not fetched, whatever the policy, and is the one that runs',
    async () => {
      const bench = use();
      const driver = bench.open();
      const ids = [];
      for (const policy of ['Never', 'IfNotPresent', 'Always'] as const)
        ids.push((await driver.pull?.(bench.image, { policy, signal }))?.imageId);
      assert.equal(new Set(ids).size, 1);
      const { handle } = await startOne(bench, driver, { script: scripts.runs });
      const state = await driver.inspect(handle);
      assert.equal(state.state === 'running' && state.imageId, ids[0]);
    },
  );

  testWhen(traits.pulls)(
    'an absent image is an error of its own kind, which depends on the policy',
    async () => {
      const driver = use().open();
      const absent = 'localhost/flotilla-absent:1';
      await assert.rejects(pull(driver, absent, { policy: 'Never', signal }), { code: 'ErrImageNeverPull' });
      await assert.rejects(pull(driver, absent, { policy: 'IfNotPresent', signal }), {
        code: 'ErrImagePull',
      });
      await assert.rejects(pull(driver, absent, { policy: 'Always', signal }), { code: 'ErrImagePull' });
    },
  );

  testWhen(traits.pulls && traits.real)(
    'a registry that cannot be reached is told in the words of the engine',
    async () => {
      const bench = use();
      const driver = bench.open();
      const image = '127.0.0.1:9/absent:1';
      await assert.rejects(pull(driver, image, { policy: 'IfNotPresent', signal }), {
        code: 'ErrImagePull',
        message: /127\.0\.0\.1:9/,
      });
    },
  );

  testWhen(traits.pulls && traits.real)(
    "what is no image's name is refused before anything is asked",
    async () => {
      const bench = use();
      const driver = bench.open();
      for (const image of ['', 'UPPER', '--privileged', 'a b', 'x:', 'x@sha256:12'])
        await assert.rejects(pull(driver, image, { policy: 'Never', signal }), { code: 'InvalidImageName' });
    },
  );

  testWhen(traits.pulls && traits.real)(
    'a container of an image that is gone since is refused, and its pod goes on',
    async () => {
      const bench = use();
      const driver = bench.open();
      const { sandbox, handle } = await startOne(bench, driver, { script: scripts.runs });
      const spec = containerSpec(bench, sandbox, {
        container: 'other',
        image: 'localhost/flotilla-absent:1',
      });
      const other = await driver.create(spec, sandbox);
      await assert.rejects(driver.start(other), { code: 'ErrImageNeverPull' });
      await runningPid(driver, handle);
      assert.equal((await driver.inspectSandbox(sandbox)).state, 'ready');
    },
  );

  testWhen(traits.pulls && traits.real)(
    'an image that a container uses is listed and stays, with its names; others go',
    async () => {
      const bench = use();
      const driver = bench.open();
      const { images } = driver;
      assert.ok(images);
      await startOne(bench, driver, { script: scripts.runs });
      const find = async (name: string) => (await images.list()).find(({ tags }) => tags.includes(name));
      const used = await find(bench.image);
      assert.ok(used && used.sizeBytes > 0);
      assert.equal(await images.remove(used), false);
      assert.deepEqual(await find(bench.image), used);
      const folder = await mkdtemp(join(tmpdir(), 'flotilla-archive-'));
      try {
        const name = `localhost/flotilla-loaded-${process.pid}:1`;
        const data = Buffer.from(name);
        const files = [{ name: 'data', data, mode: 0o644 }];
        const archive = imageArchive({ name, architecture: goArchitecture(process.arch), files, config: {} });
        await writeFile(join(folder, 'a.tar'), archive);
        assert.deepEqual(await images.load(join(folder, 'a.tar'), signal), [name]);
        const loaded = await find(name);
        assert.ok(loaded);
        assert.equal(await images.remove(loaded), true);
        assert.equal(await find(name), undefined);
        await writeFile(join(folder, 'b.tar'), 'no archive');
        await assert.rejects(images.load(join(folder, 'b.tar'), signal), { code: 'ErrImagePull' });
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  );

  testWhen(traits.pulls)('fetching waits for its turn, and what is present needs none', async () => {
    const bench = use();
    const driver = bench.open();
    let turns = 0;
    const fetching = <T>(fetch: () => Promise<T>) => {
      turns += 1;
      return fetch();
    };
    await driver.pull?.(bench.image, { policy: 'IfNotPresent', signal, fetching });
    assert.equal(turns, 0);
  });

  testWhen(traits.ownFiles)("a container without a command runs its image's own", async () => {
    const bench = use();
    const driver = bench.open();
    const sandbox = await driver.createSandbox(sandboxSpec());
    const spec = containerSpec(bench, sandbox, { stdin: true });
    const handle = await driver.create(spec, sandbox);
    await driver.start(handle);
    // A shell: it goes on where it has an input, and ends well where that is empty.
    if (traits.isolates) await runningPid(driver, handle);
    else assert.equal((await exited(driver, handle)).exitCode, 0);
  });
}
