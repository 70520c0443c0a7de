import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import type { ContainerHandle, RuntimeDriver } from '../../agent/drivers/driver.ts';
import { type DriverContext, openDrivers } from '../../agent/drivers/registry.ts';
import { systemClock } from '../../lib/clock.ts';
import { run } from '../../lib/exec.ts';
import { silentLogger } from '../../lib/log.ts';
import { eventually, exited, logText } from '../conformance/driver/bench.ts';
import { testImage } from '../conformance/driver/test-image.ts';

/**
 * A program that plays the agent: it starts one container, writes down its handle, and is killed with SIGKILL by
 * itself; nothing in it gets to clean up.
 */
const agent = `
import { writeFileSync } from 'node:fs';
const [root, stateDir, runtime, image, script] = process.argv.slice(2);
const { openDrivers } = await import(root + '/agent/drivers/registry.ts');
const { systemClock } = await import(root + '/lib/clock.ts');
const { silentLogger } = await import(root + '/lib/log.ts');
const { drivers } = await openDrivers({ stateDir, cluster: 'test', clock: systemClock, log: silentLogger, runtime });
const driver = drivers[0].driver;
const podUid = crypto.randomUUID();
const sandbox = await driver.createSandbox({ podUid, namespace: 'default', name: 'pod', hostname: 'pod', hostNetwork: true, ports: [], labels: {} });
const handle = await driver.create({ podUid, namespace: 'default', pod: 'pod', container: 'main', attempt: 0, image,
  command: ['sh', '-c', script], args: [], workingDir: undefined, environment: {}, mounts: [], security: {}, tty: false, stdin: false,
  resources: { cpuLimitMillis: undefined, cpuRequestMillis: undefined, memoryLimitBytes: undefined } }, sandbox);
await driver.start(handle);
const state = await driver.inspect(handle);
writeFileSync(stateDir + '/written-down.json', JSON.stringify({ handle, state }));
process.kill(process.pid, 'SIGKILL');
`;

const root = join(import.meta.dirname, '../..');

async function killedAgent(t: TestContext, { runtime, script }: { runtime: string; script: string }) {
  const stateDir = await mkdtemp(join(tmpdir(), 'flotilla-killed-'));
  const context: DriverContext = { stateDir, cluster: 'test', clock: systemClock, log: silentLogger };
  const opened = await openDrivers({ ...context, runtime }).catch((error: unknown) => String(error));
  if (typeof opened === 'string') {
    t.skip(opened);
    return undefined;
  }
  const [first] = opened.drivers;
  if (!first) throw new Error('openDrivers gave none');
  const { driver, probe } = first;
  t.after(async () => {
    for (const sandbox of (await driver.list()).sandboxes) await driver.removeSandbox(sandbox);
    opened[Symbol.dispose]();
    await rm(stateDir, { recursive: true, force: true });
  });
  const image = runtime === 'oci' ? await testImage(probe.version.split(':')[0] ?? '') : 'host';
  const program = join(stateDir, 'agent.mjs');
  await writeFile(program, agent);
  const { exitCode, stderr } = await run(
    process.execPath,
    [program, root, stateDir, runtime, image, script],
    {
      timeoutMs: 60_000,
    },
  );
  assert.equal(exitCode, 137, stderr);
  const written = JSON.parse(await readFile(join(stateDir, 'written-down.json'), 'utf8')) as {
    handle: ContainerHandle;
    state: Awaited<ReturnType<RuntimeDriver['inspect']>>;
  };
  return { driver, ...written };
}

for (const runtime of ['process', 'oci'])
  suite(`an agent that is killed with SIGKILL, runtime ${runtime}`, () => {
    test('leaves its container running, and the next agent adopts it unchanged', async (t) => {
      const script = 'trap "echo stopped; exit 5" TERM; echo up; while :; do sleep 0.05; done';
      const left = await killedAgent(t, { runtime, script });
      if (!left) return;
      const { driver, handle, state } = left;
      assert.equal(state.state, 'running');
      assert.deepEqual(await driver.inspect(handle), state);
      assert.deepEqual((await driver.list()).containers, [handle]);
      await eventually(
        'its log goes on',
        async () => (await logText(driver, handle)) === 'up\n' || undefined,
      );
      await driver.stop(handle, { graceMs: 30_000 });
      assert.equal((await exited(driver, handle)).exitCode, 5);
      assert.match(await logText(driver, handle), /^up\n[^]*stopped\n$/);
    });

    test('does not lose the exit code and the times of what ended without it', async (t) => {
      const left = await killedAgent(t, { runtime, script: 'sleep 1; exit 77' });
      if (!left) return;
      const state = await exited(left.driver, left.handle);
      assert.equal(state.exitCode, 77);
      const ranMs = state.finishedAtMs - state.startedAtMs;
      assert.ok(ranMs >= 900 && ranMs < 10_000, `it ran for ${ranMs} ms`);
    });
  });
