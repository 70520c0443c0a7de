import assert from 'node:assert/strict';
import type { PullPolicy, RuntimeDriver } from '../../../agent/drivers/driver.ts';
import {
  type BenchTraits,
  containerSpec,
  type DriverBench,
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

  testWhen(traits.isolates)("a container without a command runs its image's own", async () => {
    const bench = use();
    const driver = bench.open();
    const sandbox = await driver.createSandbox(sandboxSpec());
    const spec = containerSpec(bench, sandbox, { stdin: true });
    const handle = await driver.create(spec, sandbox);
    await driver.start(handle);
    await runningPid(driver, handle);
  });
}
