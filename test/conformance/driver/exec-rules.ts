import assert from 'node:assert/strict';
import type { ContainerHandle, ExecProcess, RuntimeDriver } from '../../../agent/drivers/driver.ts';
import {
  type BenchTraits,
  countProcesses,
  type DriverBench,
  eventually,
  sandboxSpec,
  startOne,
  testWhen,
  uniqueSeconds,
} from './bench.ts';
import { scripts } from './scripts.ts';

async function exec(
  driver: RuntimeDriver,
  handle: ContainerHandle,
  options: { script: string; stdin?: boolean; tty?: boolean },
): Promise<ExecProcess> {
  const { script, stdin = false, tty = false } = options;
  if (!driver.exec) throw new Error(`${driver.name} cannot exec`);
  return driver.exec(handle, { command: ['sh', '-c', script], stdin, tty });
}

async function outputs(process: ExecProcess): Promise<{ stdout: string; stderr: string; exitCode: number }> {
  const text = { stdout: '', stderr: '' };
  for await (const { channel, data } of process.output()) text[channel] += Buffer.from(data).toString();
  return { ...text, exitCode: await process.exit };
}

export function execRules(use: () => DriverBench, traits: BenchTraits): void {
  testWhen(traits.real)('exec keeps the two outputs apart and tells the exact exit code', async () => {
    const bench = use();
    const driver = bench.open();
    const { handle } = await startOne(bench, driver, {
      script: scripts.runs,
      environment: { GREETING: 'hi' },
    });
    const process = await exec(driver, handle, { script: 'echo "$GREETING"; echo bad >&2; exit 42' });
    assert.deepEqual(await outputs(process), { stdout: 'hi\n', stderr: 'bad\n', exitCode: 42 });
  });

  testWhen(traits.real)(
    'exec passes standard input through, more than any pipe holds, and its end',
    async () => {
      const bench = use();
      const driver = bench.open();
      const { handle } = await startOne(bench, driver, { script: scripts.runs });
      const process = await exec(driver, handle, { script: 'cat; exit 7', stdin: true });
      const sent = Buffer.alloc(1024 * 1024, 'flotilla');
      const reading = outputs(process);
      for (let at = 0; at < sent.length; at += 65_536) await process.write(sent.subarray(at, at + 65_536));
      process.endStdin();
      const { stdout, exitCode } = await reading;
      assert.equal(exitCode, 7);
      assert.ok(stdout === sent.toString(), `${stdout.length} of ${sent.length} bytes came back`);
    },
  );

  testWhen(traits.real)('a command that is killed is dead in the container, too', async () => {
    const bench = use();
    const driver = bench.open();
    const { handle } = await startOne(bench, driver, { script: scripts.runs });
    const word = uniqueSeconds();
    for (const tty of [false, true]) {
      const process = await exec(driver, handle, { script: `exec sleep ${word}`, tty });
      await eventually('it runs', async () => ((await countProcesses(word)) === 1 ? true : undefined));
      process.kill();
      await eventually('it is dead', async () => ((await countProcesses(word)) === 0 ? true : undefined));
    }
  });

  testWhen(traits.real)('exec without input finds its standard input at the end', async () => {
    const bench = use();
    const driver = bench.open();
    const { handle } = await startOne(bench, driver, { script: scripts.runs });
    assert.equal((await outputs(await exec(driver, handle, { script: 'cat; echo end' }))).stdout, 'end\n');
  });

  testWhen(traits.real)(
    'exec on a terminal has a real one, that is resized and tells the exact exit code',
    async () => {
      const bench = use();
      const driver = bench.open();
      const { handle } = await startOne(bench, driver, { script: scripts.runs });
      const script =
        'test -t 0 && test -t 1 && echo terminal; until [ "$(stty size)" = "41 101" ]; do sleep 0.05; done; read line; echo "got $line"; exit 9';
      const process = await exec(driver, handle, { script, stdin: true, tty: true });
      await process.resize(101, 41);
      await process.write(Buffer.from("it's\n"));
      const { stdout, exitCode } = await outputs(process);
      assert.match(stdout, /^terminal\r\n/m);
      assert.match(stdout, /^got it's\r$/m);
      assert.equal(exitCode, 9);
    },
  );

  testWhen(traits.real)('exec in what does not run is refused', async () => {
    const bench = use();
    const driver = bench.open();
    const { handle } = await startOne(bench, driver, { script: scripts.runs });
    await driver.stop(handle, { graceMs: 0 });
    await assert.rejects(exec(driver, handle, { script: 'true' }), { code: 'NotFound' });
    const other = { ...handle, podUid: sandboxSpec().podUid };
    await assert.rejects(exec(driver, other, { script: 'true' }), { code: 'NotFound' });
  });
}
