import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContainerHandle } from '../../../agent/drivers/driver.ts';
import {
  type BenchTraits,
  containerSpec,
  type DriverBench,
  eventually,
  exited,
  runningPid,
  sandboxSpec,
  startOne,
  testWhen,
} from './bench.ts';
import { scripts } from './scripts.ts';

export function lifecycleRules(use: () => DriverBench, traits: BenchTraits): void {
  test('a container goes from created to running to exited, with its exit code and times in order', async () => {
    const bench = use();
    const driver = bench.open();
    const sandbox = await driver.createSandbox(sandboxSpec());
    const spec = containerSpec(bench, sandbox, { script: scripts.exits3 });
    const handle = await driver.create(spec, sandbox);
    assert.deepEqual(await driver.inspect(handle), { state: 'created' });
    const before = Date.now();
    await driver.start(handle);
    const state = await exited(driver, handle);
    assert.equal(state.exitCode, 3);
    assert.equal(state.outOfMemory, false);
    assert.ok(state.startedAtMs >= before - 1_000 && state.startedAtMs <= Date.now());
    assert.ok(state.finishedAtMs >= state.startedAtMs && state.finishedAtMs <= Date.now() + 1_000);
  });

  test('every operation may be repeated', async () => {
    const bench = use();
    const driver = bench.open();
    const pod = sandboxSpec();
    const sandbox = await driver.createSandbox(pod);
    assert.deepEqual(await driver.createSandbox(pod), sandbox);
    const spec = containerSpec(bench, sandbox, { script: scripts.runs });
    const handle = await driver.create(spec, sandbox);
    assert.deepEqual(await driver.create(spec, sandbox), handle);
    await driver.start(handle);
    const pid = await runningPid(driver, handle);
    await driver.start(handle);
    assert.equal(await runningPid(driver, handle), pid);
    assert.deepEqual(await driver.createSandbox(pod), sandbox);
    assert.equal((await driver.inspectSandbox(sandbox)).state, 'ready');
    for (let time = 0; time < 2; time++) await driver.stop(handle, { graceMs: 0 });
    assert.equal((await driver.inspect(handle)).state, 'exited');
    for (let time = 0; time < 2; time++) await driver.remove(handle);
    assert.deepEqual(await driver.inspect(handle), { state: 'missing' });
    for (let time = 0; time < 2; time++) await driver.removeSandbox(sandbox);
    assert.deepEqual(await driver.inspectSandbox(sandbox), { state: 'missing' });
  });

  test('an attempt that has ended never runs a second time', async () => {
    const bench = use();
    const driver = bench.open();
    const { sandbox, handle } = await startOne(bench, driver, { script: scripts.exits3 });
    const first = await exited(driver, handle);
    await driver.create(containerSpec(bench, sandbox, { script: scripts.exits3 }), sandbox);
    await driver.start(handle);
    assert.deepEqual(await exited(driver, handle), first);
  });

  test('what never was is missing: stopping and removing it succeed, starting it does not', async () => {
    const driver = use().open();
    const podUid = sandboxSpec().podUid;
    const handle: ContainerHandle = {
      driver: driver.name,
      podUid,
      container: 'main',
      attempt: 0,
      id: 'never-made',
      data: {},
    };
    const sandbox = { driver: driver.name, podUid, id: 'never-made', data: {} };
    assert.deepEqual(await driver.inspect(handle), { state: 'missing' });
    assert.deepEqual(await driver.inspectSandbox(sandbox), { state: 'missing' });
    await driver.stop(handle, { graceMs: 1_000 });
    await driver.remove(handle);
    await driver.removeSandbox(sandbox);
    await assert.rejects(driver.start(handle), { code: 'NotFound' });
  });

  test('one that was created and stopped before its start is forgotten', async () => {
    const bench = use();
    const driver = bench.open();
    const sandbox = await driver.createSandbox(sandboxSpec());
    const handle = await driver.create(containerSpec(bench, sandbox, { script: scripts.runs }), sandbox);
    await driver.stop(handle, { graceMs: 1_000 });
    assert.deepEqual(await driver.inspect(handle), { state: 'missing' });
  });

  test('removing a sandbox removes what still runs in it', async () => {
    const bench = use();
    const driver = bench.open();
    const { sandbox, handle } = await startOne(bench, driver, { script: scripts.runs });
    await driver.removeSandbox(sandbox);
    assert.deepEqual(await driver.inspect(handle), { state: 'missing' });
    assert.deepEqual(await driver.inspectSandbox(sandbox), { state: 'missing' });
  });

  test('a hint comes soon after a container has ended by itself', async () => {
    const bench = use();
    const driver = bench.open();
    const hinted = new Set<string>();
    using _watch = driver.watch((podUid) => hinted.add(podUid));
    const { sandbox, handle } = await startOne(bench, driver, { script: scripts.exitsSoon });
    // On a machine so slow that it has ended by now, whoever asks has been told and needs no hint.
    const { state } = await driver.inspect(handle);
    if (state === 'running')
      await eventually('a hint', () => Promise.resolve(hinted.has(sandbox.podUid) || undefined));
    assert.equal((await exited(driver, handle)).exitCode, 4);
  });

  testWhen(traits.real)(
    'a program that does not exist is refused with its name, and can be removed and forgotten',
    async () => {
      const bench = use();
      const driver = bench.open();
      const sandbox = await driver.createSandbox(sandboxSpec());
      const spec = containerSpec(bench, sandbox, { command: ['no-such-program'] });
      const handle = await driver.create(spec, sandbox);
      await assert.rejects(driver.start(handle), {
        code: 'RunContainerError',
        message: /"no-such-program": executable file not found in \$PATH/,
      });
      await driver.remove(handle);
      assert.deepEqual(await driver.inspect(handle), { state: 'missing' });
    },
  );
}
