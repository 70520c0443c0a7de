import assert from 'node:assert/strict';
import { readFile, readlink } from 'node:fs/promises';
import { hostAddresses } from '../../../agent/drivers/host-addresses.ts';
import { parseCgroupMounts } from '../../../agent/drivers/process/cgroups.ts';
import {
  type BenchTraits,
  containerSpec,
  type DriverBench,
  exited,
  logText,
  runningPid,
  sandboxSpec,
  startOne,
  testWhen,
} from './bench.ts';

export function isolationRules(use: () => DriverBench, traits: BenchTraits): void {
  testWhen(traits.real)(
    "a container gets its own variables, byte by byte, and nothing of the agent's",
    async () => {
      const bench = use();
      const driver = bench.open();
      process.env['FLOTILLA_TEST_SECRET'] = 'the agent knows';
      const environment = {
        PLAIN: 'a b',
        QUOTED: `"it's" $HOME \\n`,
        LINES: 'one\ntwo',
        EMPTY: '',
        HOME: '/elsewhere',
        DOCKER_HOST: 'tcp://nowhere',
        start: 'x',
        'dotted.name': 'y',
      };
      const { handle } = await startOne(bench, driver, { command: ['env'], environment });
      await exited(driver, handle);
      const text = await logText(driver, handle);
      for (const [name, value] of Object.entries(environment))
        assert.ok(`\n${text}`.includes(`\n${name}=${value}\n`), `${name} in ${text}`);
      assert.doesNotMatch(text, /the agent knows|FLOTILLA_TEST_SECRET/);
    },
  );

  testWhen(traits.real)(
    'a container starts in the folder its pod names, and arguments arrive as they are',
    async () => {
      const bench = use();
      const driver = bench.open();
      const { handle } = await startOne(bench, driver, {
        command: ['sh', '-c'],
        args: ['pwd; for word; do echo "<$word>"; done', 'sh', '--pull', 'a  b', '', "it's", '$HOME'],
        workingDir: '/bin',
      });
      await exited(driver, handle);
      const lines = (await logText(driver, handle)).split('\n');
      assert.match(lines[0] ?? '', /\/bin$/);
      assert.deepEqual(lines.slice(1), ['<--pull>', '<a  b>', '<>', "<it's>", '<$HOME>', '']);
    },
  );

  testWhen(traits.isolates)(
    "a pod's containers share network, IPC and host name; another pod's are apart",
    async () => {
      const bench = use();
      const driver = bench.open();
      const script = 'readlink /proc/self/ns/net; readlink /proc/self/ns/ipc; hostname';
      const sandbox = await driver.createSandbox(sandboxSpec({ hostname: 'vessel' }));
      const seen: string[][] = [];
      for (const container of ['one', 'two']) {
        const handle = await driver.create(containerSpec(bench, sandbox, { container, script }), sandbox);
        await driver.start(handle);
        await exited(driver, handle);
        seen.push((await logText(driver, handle)).trim().split('\n'));
      }
      assert.deepEqual(seen[0], seen[1]);
      assert.equal(seen[0]?.[2], 'vessel');
      const { handle } = await startOne(bench, driver, { script });
      await exited(driver, handle);
      const other = (await logText(driver, handle)).trim().split('\n');
      assert.notEqual(other[0], seen[0]?.[0]);
      assert.notEqual(other[1], seen[0]?.[1]);
      const state = await driver.inspectSandbox(sandbox);
      assert.ok(state.state === 'ready' && state.podIps.length > 0, 'the pod has an address');
    },
  );

  testWhen(traits.isolates)("a pod on the host's network has that network and its addresses", async () => {
    const bench = use();
    const driver = bench.open();
    const sandbox = await driver.createSandbox(sandboxSpec({ hostNetwork: true }));
    const spec = containerSpec(bench, sandbox, { script: 'readlink /proc/self/ns/net' });
    const handle = await driver.create(spec, sandbox);
    await driver.start(handle);
    assert.equal((await exited(driver, handle)).exitCode, 0);
    assert.equal((await logText(driver, handle)).trim(), await readlink('/proc/self/ns/net'));
    const state = await driver.inspectSandbox(sandbox);
    assert.ok(state.state === 'ready' && state.podIps.every((ip) => hostAddresses().includes(ip)));
    assert.deepEqual(
      (await bench.open().list()).sandboxes.filter(({ id }) => id === sandbox.id),
      [sandbox],
    );
    await driver.removeSandbox(sandbox);
    assert.deepEqual(await driver.inspectSandbox(sandbox), { state: 'missing' });
  });

  testWhen(traits.limitsMemory)('limits change while the container runs on', async () => {
    const bench = use();
    const driver = bench.open();
    const limits = { cpuLimitMillis: 500, cpuRequestMillis: 100, memoryLimitBytes: 32 * 2 ** 20 };
    const { handle } = await startOne(bench, driver, { script: 'sleep 100', resources: limits });
    const pid = await runningPid(driver, handle);
    assert.equal(await memoryLimit(pid), limits.memoryLimitBytes);
    const wider = { cpuLimitMillis: 700, cpuRequestMillis: 300, memoryLimitBytes: 64 * 2 ** 20 };
    for (let time = 0; time < 2; time++) await driver.update?.(handle, wider);
    assert.equal(await memoryLimit(pid), wider.memoryLimitBytes);
    assert.equal(await runningPid(driver, handle), pid);
    await driver.stop(handle, { graceMs: 0 });
  });

  testWhen(traits.limitsMemory)(
    'a container that takes more memory than its limit is killed, and that is told',
    async () => {
      const bench = use();
      const driver = bench.open();
      const { handle } = await startOne(bench, driver, {
        script: 'x=$(head -c 200000000 /dev/zero | tr "\\\\0" x); echo ${#x}',
        resources: { cpuLimitMillis: 900, cpuRequestMillis: 100, memoryLimitBytes: 32 * 1024 * 1024 },
      });
      const state = await exited(driver, handle);
      assert.equal(state.outOfMemory, traits.tellsOutOfMemory);
      assert.equal(state.exitCode, 137);
    },
  );
}

/** Of the control group that the process is in, of either version. */
async function memoryLimit(pid: number): Promise<number> {
  const groups = await readFile(`/proc/${pid}/cgroup`, 'utf8');
  const { controllers, unified = '' } = parseCgroupMounts(await readFile('/proc/self/mounts', 'utf8'));
  const root = controllers.get('memory');
  const [pattern, folder, file] =
    root === undefined
      ? ([/^0::(.*)$/m, unified, 'memory.max'] as const)
      : ([/:memory:(.*)$/m, root, 'memory.limit_in_bytes'] as const);
  const path = pattern.exec(groups)?.[1] ?? '';
  // Whole pages are all the kernel knows.
  return Math.round(Number(await readFile(`${folder}${path}/${file}`, 'utf8')) / 4096) * 4096;
}
