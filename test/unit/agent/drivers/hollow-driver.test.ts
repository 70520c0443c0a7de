import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContainerSpec } from '../../../../agent/drivers/driver.ts';
import { createHollowDriver, type HollowBehaviour } from '../../../../agent/drivers/hollow-driver.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

async function started(behaviour: HollowBehaviour) {
  const clock = new ManualClock();
  const driver = createHollowDriver({ clock, behave: () => behaviour });
  const sandbox = await driver.createSandbox({
    podUid: 'uid',
    namespace: 'default',
    name: 'pod',
    hostname: 'pod',
    hostNetwork: false,
    ports: [],
    labels: {},
  });
  const spec: ContainerSpec = {
    podUid: 'uid',
    namespace: 'default',
    pod: 'pod',
    container: 'main',
    attempt: 0,
    image: 'any',
    command: [],
    args: [],
    workingDir: undefined,
    environment: {},
    mounts: [],
    security: {},
    resources: { cpuLimitMillis: undefined, cpuRequestMillis: undefined, memoryLimitBytes: undefined },
    tty: false,
    stdin: false,
  };
  const handle = await driver.create(spec, sandbox);
  await driver.start(handle);
  return { clock, driver, handle };
}

test('a hollow container ends when its script says, at exactly that time of the clock', async () => {
  const { clock, driver, handle } = await started({ exitAfterMs: 5_000, exitCode: 2 });
  const hints: string[] = [];
  using _watch = driver.watch((podUid) => hints.push(podUid));
  const startedAtMs = clock.now();
  await clock.advance(4_999);
  assert.equal((await driver.inspect(handle)).state, 'running');
  await clock.advance(1);
  const state = await driver.inspect(handle);
  assert.ok(state.state === 'exited' && state.exitCode === 2);
  assert.equal(state.finishedAtMs - startedAtMs, 5_000);
  assert.deepEqual(hints, ['uid']);
});

test('a hollow container that ignores SIGTERM is killed when the grace is over, and one that ends before is not', async () => {
  const stubborn = await started({ onTerminate: 'never' });
  const stopping = stubborn.driver.stop(stubborn.handle, { graceMs: 3_000 });
  await stubborn.clock.advance(2_999);
  assert.equal((await stubborn.driver.inspect(stubborn.handle)).state, 'running');
  await stubborn.clock.advance(1);
  await stopping;
  const killed = await stubborn.driver.inspect(stubborn.handle);
  assert.ok(killed.state === 'exited' && killed.exitCode === 137);

  const ending = await started({ onTerminate: 'never', exitAfterMs: 1_000, exitCode: 9 });
  const stopped = ending.driver.stop(ending.handle, { graceMs: 3_000 });
  await ending.clock.advance(1_000);
  await stopped;
  const ended = await ending.driver.inspect(ending.handle);
  assert.ok(ended.state === 'exited' && ended.exitCode === 9);
});
