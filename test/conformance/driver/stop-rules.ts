import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type BenchTraits,
  countProcesses,
  type DriverBench,
  eventually,
  exited,
  logText,
  startOne,
  testWhen,
  uniqueSeconds,
} from './bench.ts';
import { scripts } from './scripts.ts';

export function stopRules(use: () => DriverBench, traits: BenchTraits): void {
  test('a container that obeys SIGTERM ends with its own exit code, long before the grace is over', async () => {
    const bench = use();
    const driver = bench.open();
    const { handle } = await startOne(bench, driver, { script: scripts.obeysWith5 });
    await eventually('its trap is set', async () => (await logText(driver, handle)) || undefined);
    const began = performance.now();
    await driver.stop(handle, { graceMs: 60_000 });
    assert.ok(performance.now() - began < 30_000);
    assert.equal((await exited(driver, handle)).exitCode, 5);
  });

  test('a container that ignores SIGTERM has its whole grace and is killed then', async () => {
    const bench = use();
    const driver = bench.open();
    const { handle } = await startOne(bench, driver, { script: scripts.ignoresTerm });
    await eventually('its trap is set', async () => (await logText(driver, handle)) || undefined);
    const began = performance.now();
    await driver.stop(handle, { graceMs: 1_000 });
    assert.ok(performance.now() - began >= 995, 'killed before the grace was over');
    assert.equal((await exited(driver, handle)).exitCode, 137);
  });

  test('without grace a container is killed at once', async () => {
    const bench = use();
    const driver = bench.open();
    const { handle } = await startOne(bench, driver, { script: scripts.obeysWith5 });
    await driver.stop(handle, { graceMs: 0 });
    assert.equal((await exited(driver, handle)).exitCode, 137);
  });

  testWhen(traits.real)(
    'stopping kills grandchildren, also those that ignore SIGTERM and made sessions of their own',
    async () => {
      const bench = use();
      const driver = bench.open();
      const word = uniqueSeconds();
      const script = `trap "" TERM; sleep ${word} & (setsid sleep ${word} &) ; setsid setsid sleep ${word} & sleep ${word}`;
      const { handle } = await startOne(bench, driver, { script });
      await eventually('all four sleep', async () => (await countProcesses(word)) >= 4 || undefined);
      await driver.stop(handle, { graceMs: 50 });
      assert.equal(await countProcesses(word), 0);
    },
  );

  testWhen(traits.real)('what a container leaves behind ends with its first process', async () => {
    const bench = use();
    const driver = bench.open();
    const word = uniqueSeconds();
    const script = `setsid sleep ${word} & sleep 0.1; exit 6`;
    const { handle } = await startOne(bench, driver, { script });
    assert.equal((await exited(driver, handle)).exitCode, 6);
    await eventually('nothing is left', async () => (await countProcesses(word)) === 0 || undefined);
  });
}
