import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type BenchTraits,
  containerSpec,
  type DriverBench,
  eventually,
  exited,
  logText,
  sandboxSpec,
  startOne,
  testWhen,
} from './bench.ts';
import { scripts } from './scripts.ts';

/** What is left when containers and pods end, and what they say. */
export function endingRules(use: () => DriverBench, traits: BenchTraits): void {
  const { real, isolates, ownFiles } = traits;

  test('a stopped sandbox is not ready, keeps what its containers said, and may be stopped again', async () => {
    const bench = use();
    const driver = bench.open();
    const { sandbox, handle } = await startOne(bench, driver, { script: scripts.prints });
    await exited(driver, handle);
    await driver.stopSandbox(sandbox);
    await driver.stopSandbox(sandbox);
    if (isolates) assert.equal((await driver.inspectSandbox(sandbox)).state, 'stopped');
    assert.match(await logText(driver, handle), /one\r?\ntwo\r?\nthree/);
    assert.equal((await driver.inspect(handle)).state, 'exited');
    await driver.removeSandbox(sandbox);
    await driver.stopSandbox(sandbox);
  });

  testWhen(real)(
    'the last word of a container is read by a later agent, and gone with the container',
    async () => {
      const bench = use();
      const file = ownFiles ? '/said/here' : '"$FLOTILLA_TERMINATION_LOG"';
      const { handle } = await startOne(bench, bench.open(), {
        script: `printf 'out of coffee' > ${file}; exit 3`,
        terminationMessagePath: '/said/here',
      });
      const later = bench.open();
      await exited(later, handle);
      assert.equal(await later.terminationMessage?.(handle), 'out of coffee');
      await later.remove(handle);
      assert.equal(await later.terminationMessage?.(handle), '');
    },
  );

  testWhen(real)('a container is asked to end with the signal it wants', async () => {
    const bench = use();
    const driver = bench.open();
    const script = 'trap "exit 6" USR1; trap "exit 5" TERM; echo ready; while :; do sleep 0.05; done';
    const { handle } = await startOne(bench, driver, { script, stopSignal: 'SIGUSR1' });
    await eventually('its trap is set', async () => (await logText(driver, handle)) || undefined);
    await driver.stop(handle, { graceMs: 30_000 });
    assert.equal((await exited(driver, handle)).exitCode, 6);
  });

  testWhen(ownFiles && traits.givesRights)(
    'a container sees the processes of another one, or of the whole pod, when it is to',
    async () => {
      const bench = use();
      const driver = bench.open();
      const { sandbox, handle } = await startOne(bench, driver, { script: scripts.runs });
      const look = async (container: string, pids: 'pod' | typeof handle | undefined) => {
        const script = 'tr "\\0" " " < /proc/1/cmdline 2>/dev/null || cat /proc/1/cmdline';
        const spec = containerSpec(bench, sandbox, { container, script, ...(pids ? { pids } : {}) });
        const looking = await driver.create(spec, sandbox);
        await driver.start(looking);
        await exited(driver, looking);
        return logText(driver, looking);
      };
      assert.match(await look('debug', handle), /sleep 1000/, 'the first process is the other one’s');
      if (isolates) assert.match(await look('beside', 'pod'), /pause/, 'the first process is the sandbox’s');
      assert.match(await look('alone', undefined), /proc\/1\/cmdline/, 'the first process is its own');
    },
  );

  testWhen(isolates)('orphans in the processes of a pod are buried when they end', async () => {
    const bench = use();
    const driver = bench.open();
    const sandbox = await driver.createSandbox(sandboxSpec());
    const script = 'sh -c "sleep 0.1 & sleep 0.2 &"; sleep 1; cat /proc/[0-9]*/stat';
    const handle = await driver.create(containerSpec(bench, sandbox, { script, pids: 'pod' }), sandbox);
    await driver.start(handle);
    await exited(driver, handle);
    const left = await logText(driver, handle);
    assert.match(left, /^1 \(pause\) S/m, 'the processes of the pod are seen');
    assert.doesNotMatch(left, /\) Z/, 'and none is a zombie');
  });

  testWhen(isolates)(
    'a sandbox has the kernel parameters that it is given, in its own namespaces',
    async () => {
      const bench = use();
      const driver = bench.open();
      const sysctls = { 'net.ipv4.ip_unprivileged_port_start': '77', 'kernel.shm_rmid_forced': '1' };
      const sandbox = await driver.createSandbox(sandboxSpec({ sysctls }));
      const script = 'cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shm_rmid_forced';
      const handle = await driver.create(containerSpec(bench, sandbox, { script }), sandbox);
      await driver.start(handle);
      await exited(driver, handle);
      assert.equal((await logText(driver, handle)).replaceAll('\r', ''), '77\n1\n');
    },
  );

  testWhen(ownFiles)('a container has the names of hosts and the name servers that it is given', async () => {
    const bench = use();
    const driver = bench.open();
    const sandbox = await driver.createSandbox(sandboxSpec());
    const spec = containerSpec(bench, sandbox, {
      script: 'cat /etc/hosts /etc/resolv.conf',
      hosts: { ofHost: false, text: '192.0.2.7\tcoffee.example\n' },
      resolver: {
        ofHost: false,
        nameservers: ['192.0.2.53'],
        searches: ['barn.example'],
        options: ['ndots:2'],
      },
    });
    const handle = await driver.create(spec, sandbox);
    await driver.start(handle);
    await exited(driver, handle);
    const expected =
      '192.0.2.7\tcoffee.example\nsearch barn.example\nnameserver 192.0.2.53\noptions ndots:2\n';
    assert.equal((await logText(driver, handle)).replaceAll('\r', ''), expected);
  });
}
