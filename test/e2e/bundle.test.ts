import assert from 'node:assert/strict';
import { cp, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { finish, root } from './support/programs.ts';

/** What the launcher runs, in a checkout of its own. */
describe('the launcher', { timeout: 120_000 }, () => {
  test('makes a bundle at the first start, keeps to it, and makes another when a source has changed', async (t) => {
    const { start, current, directory } = await copyCheckout(t);
    assert.deepEqual(await start(), { stderr: '', code: 0 });
    const first = await current();
    assert.deepEqual(await start(), { stderr: '', code: 0 });
    assert.equal(await current(), first);
    const future = new Date(Date.now() + 1_000);
    await utimes(join(directory, 'lib/backoff.ts'), future, future);
    assert.deepEqual(await start(), { stderr: '', code: 0 });
    assert.notEqual(await current(), first);
    const bundles = await readdir(join(directory, '.bundle'));
    assert.ok(bundles.includes(first), 'a program that started with it a moment ago finds it whole');
  });

  test('programs that start at once, without a bundle, all run', async (t) => {
    const { start } = await copyCheckout(t);
    const ends = await Promise.all(Array.from({ length: 6 }, start));
    assert.deepEqual(
      ends,
      ends.map(() => ({ stderr: '', code: 0 })),
    );
  });

  test('a bundle that no running program uses is removed in time', async (t) => {
    const { start, current, directory } = await copyCheckout(t);
    await start();
    const first = await current();
    const past = new Date(Date.now() - 3_600_000);
    await utimes(join(directory, '.bundle', first), past, past);
    await utimes(join(directory, '.bundle/current'), past, past);
    await start();
    assert.deepEqual(
      (await readdir(join(directory, '.bundle'))).toSorted(),
      [await current(), 'current'].toSorted(),
    );
  });

  test('where nothing can be written the sources run as they are, and a note tells', async (t) => {
    const { start, directory } = await copyCheckout(t);
    await writeFile(join(directory, '.bundle'), 'in the way');
    const { code, stderr } = await start();
    assert.equal(code, 0);
    assert.match(
      stderr,
      /^flotilla: cannot make the bundle \(.*\); running the sources, which takes more memory\n$/,
    );
    assert.ok((await stat(join(directory, '.bundle'))).isFile());
  });
});

async function copyCheckout(t: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), 'flotilla-bundle-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  for (const name of ['lib', 'protocol', 'server', 'agent', 'cli', 'package.json']) {
    await cp(join(root, name), join(directory, name), { recursive: true });
  }
  await symlink(join(root, 'node_modules'), join(directory, 'node_modules'));
  return {
    directory,
    current: async () => (await readFile(join(directory, '.bundle/current'), 'utf8')).trim(),
    async start() {
      const { code, stdout, stderr } = await finish(join(directory, 'cli/flotilla'), ['help']);
      assert.match(stdout, /^Usage: flotilla/);
      return { code, stderr };
    },
  };
}
