import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { writeFileAtomic } from '../../../lib/write-file-atomic.ts';

it('a file is replaced as a whole, with its mode, over whatever an earlier crash left', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'flotilla-'));
  try {
    const path = join(directory, 'key');
    await writeFile(`${path}.new`, 'half', { mode: 0o644 });
    await writeFileAtomic(path, 'one', 0o600);
    await writeFileAtomic(path, 'two', 0o600);
    assert.equal(await readFile(path, 'utf8'), 'two');
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.deepEqual(await readdir(directory), ['key']);
    await assert.rejects(() => writeFileAtomic(join(directory, 'none', 'key'), 'x', 0o600), {
      code: 'ENOENT',
    });
  } finally {
    await rm(directory, { recursive: true });
  }
});
