import assert from 'node:assert/strict';
import { access, chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { pauseImageArchive } from '../../../../../agent/drivers/oci/pause-image.ts';
import {
  type PauseArchitecture,
  pauseArchitecture,
  pauseProgram,
} from '../../../../../agent/drivers/oci/pause-program.ts';
import { run, stream } from '../../../../../lib/exec.ts';

/** What runs a program of another processor, where it is installed. */
const emulators: Record<PauseArchitecture, string> = {
  amd64: '/usr/bin/qemu-x86_64-static',
  arm64: '/usr/bin/qemu-aarch64-static',
  arm: '/usr/bin/qemu-arm-static',
};

async function runner(architecture: PauseArchitecture): Promise<string | undefined> {
  if (pauseArchitecture(process.arch) === architecture) return '';
  return access(emulators[architecture]).then(
    () => emulators[architecture],
    () => undefined,
  );
}

suite('the pause program', () => {
  for (const architecture of ['amd64', 'arm64', 'arm'] as const)
    test(`${architecture}: waits without end, also when it is interrupted, lets the kernel bury its children, and ends at once with 0 on SIGTERM`, async (t) => {
      const through = await runner(architecture);
      if (through === undefined) return t.skip(`${emulators[architecture]} is not installed`);
      const folder = await mkdtemp(join(tmpdir(), 'flotilla-pause-'));
      t.after(() => rm(folder, { recursive: true, force: true }));
      const program = join(folder, 'pause');
      await writeFile(program, pauseProgram(architecture));
      await chmod(program, 0o755);
      const child = await (through === '' ? stream(program, []) : stream(through, [program]));
      t.after(() => child.kill('SIGKILL'));
      const status = await untilAsleep(child.pid);
      const ignored = BigInt(`0x${/^SigIgn:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
      assert.equal((ignored >> 16n) & 1n, 1n, 'SIGCHLD is ignored');
      child.kill('SIGSTOP');
      child.kill('SIGCONT');
      child.kill('SIGTERM');
      assert.deepEqual(await child.exit, { exitCode: 0, signal: undefined });
    });
});

/** Until the program sleeps and goes on sleeping: that is all it does once it has set itself up. */
async function untilAsleep(pid: number): Promise<string> {
  for (let look = 0, asleep = 0; look < 500; look++) {
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
    asleep = /^Name:\s*(pause|qemu)[^]*^State:\s*S/m.test(status) ? asleep + 1 : 0;
    if (asleep === 3) return status;
    await run('sleep', ['0.01'], { timeoutMs: 5_000 });
  }
  throw new Error('the program does not come to rest');
}

test('the image is a docker-archive that tar can read, with the same bytes every time', async () => {
  const archive = pauseImageArchive('arm64');
  assert.deepEqual(pauseImageArchive('arm64'), archive);
  const list = await run('tar', ['-tf', '-'], { input: archive, timeoutMs: 10_000 });
  assert.deepEqual([list.exitCode, list.stderr], [0, '']);
  const extract = async (name: string) =>
    (await run('tar', ['-xOf', '-', name], { input: archive, timeoutMs: 10_000 })).stdout;
  const [manifest] = JSON.parse(await extract('manifest.json')) as [{ Config: string; Layers: string[] }];
  const config = JSON.parse(await extract(manifest.Config)) as { architecture: string };
  assert.equal(config.architecture, 'arm64');
  assert.deepEqual(
    list.stdout.trim().split('\n').sort(),
    [manifest.Config, ...manifest.Layers, 'manifest.json'].sort(),
  );
});
