import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { claimDataDir } from '../../../agent/data-dir.ts';

async function folder(context: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'flotilla-'));
  context.after(() => rm(path, { recursive: true, force: true }));
  return join(path, 'data');
}

suite('the data folder', () => {
  test('is made for its owner alone, also when it was open before', async (context) => {
    const path = await folder(context);
    await mkdir(path, { mode: 0o755 });
    await using _claim = await claimDataDir(path);
    assert.equal((await stat(path)).mode & 0o777, 0o700);
  });

  test('takes one agent at a time', async (context) => {
    const path = await folder(context);
    const first = await claimDataDir(path);
    await assert.rejects(claimDataDir(path), {
      code: 'DataDirInUse',
      message: `another agent (process ${process.pid}) uses the data folder ${path}: stop it, or choose another folder`,
    });
    await first[Symbol.asyncDispose]();
    await using _second = await claimDataDir(path);
  });

  for (const [words, content] of [
    ['by a process that is gone', JSON.stringify({ pid: 2 ** 22 + 1, startTicks: 1, bootId: 'x' })],
    ['before a reboot', JSON.stringify({ pid: 1, startTicks: 1, bootId: 'another boot' })],
    ['half written by a power cut', '{"pid": 1'],
  ] as const) {
    test(`is not locked by what was left ${words}`, async (context) => {
      const path = await folder(context);
      await mkdir(path);
      await writeFile(join(path, 'agent.lock'), content);
      await using _claim = await claimDataDir(path);
      const holder = JSON.parse(await readFile(join(path, 'agent.lock'), 'utf8')) as { pid: number };
      assert.equal(holder.pid, process.pid);
    });
  }

  test('that cannot be one is named with the reason', async (context) => {
    const path = await folder(context);
    await writeFile(path, 'a file');
    await assert.rejects(claimDataDir(path), {
      code: 'DataDirUnusable',
      message: new RegExp(`^the agent cannot use the data folder ${path}: EEXIST`),
    });
  });
});
