import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DriverBench, eventually, exited, startOne } from './bench.ts';
import { scripts } from './scripts.ts';

export function restartRules(use: () => DriverBench): void {
  test('a restarted agent finds the same process, started at the same time', async () => {
    const bench = use();
    const driver = bench.open();
    const { sandbox, handle } = await startOne(bench, driver, { script: scripts.runs });
    const before = await driver.inspect(handle);
    driver[Symbol.dispose]?.();
    const restarted = bench.open();
    assert.deepEqual(await restarted.inspect(handle), before);
    assert.equal((await restarted.inspectSandbox(sandbox)).state, 'ready');
    await restarted.start(handle);
    assert.deepEqual(await restarted.inspect(handle), before);
    await restarted.stop(handle, { graceMs: 0 });
    assert.equal((await exited(restarted, handle)).exitCode, 137);
  });

  test('a restarted agent learns the exit code of what ended while it was away', async () => {
    const bench = use();
    const driver = bench.open();
    const { handle } = await startOne(bench, driver, { script: scripts.exitsSoon });
    driver[Symbol.dispose]?.();
    const state = await exited(bench.open(), handle);
    assert.equal(state.exitCode, 4);
    assert.ok(state.finishedAtMs - state.startedAtMs >= 900, 'the times are those of the process');
  });

  test('a hint comes for an adopted container too', async () => {
    const bench = use();
    const driver = bench.open();
    const { sandbox, handle } = await startOne(bench, driver, { script: scripts.exitsSoon });
    driver[Symbol.dispose]?.();
    const restarted = bench.open();
    const hinted = new Set<string>();
    using _watch = restarted.watch((podUid) => hinted.add(podUid));
    const { state } = await restarted.inspect(handle);
    if (state === 'running')
      await eventually('a hint', () => Promise.resolve(hinted.has(sandbox.podUid) || undefined));
    assert.equal((await exited(restarted, handle)).exitCode, 4);
  });

  test('the list holds what the caller has forgotten, running or not, and only ours', async () => {
    const bench = use();
    const driver = bench.open();
    const running = await startOne(bench, driver, { script: scripts.runs });
    const ended = await startOne(bench, driver, {
      script: scripts.exits3,
      container: 'with-dashes-2',
      attempt: 7,
    });
    await exited(driver, ended.handle);
    const found = await bench.open().list();
    for (const { sandbox, handle } of [running, ended]) {
      assert.deepEqual(
        found.sandboxes.filter(({ podUid }) => podUid === sandbox.podUid),
        [sandbox],
      );
      assert.deepEqual(
        found.containers.filter(({ podUid }) => podUid === sandbox.podUid),
        [handle],
      );
    }
  });
}
