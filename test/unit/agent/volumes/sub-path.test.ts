import assert from 'node:assert/strict';
import { mkdir, mkdtemp, realpath, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readInside, resolveSubPath } from '../../../../agent/volumes/sub-path.ts';

test('a part of a volume is found through links, made when it is missing, and never outside', async (t) => {
  const base = await realpath(await mkdtemp(join(tmpdir(), 'flotilla-sub-')));
  t.after(() => rm(base, { recursive: true, force: true }));
  const volume = join(base, 'volume');
  await mkdir(join(volume, 'real'), { recursive: true });
  await symlink('real', join(volume, 'link'));
  await symlink('/etc', join(volume, 'out'));
  await symlink('../..', join(volume, 'up'));
  assert.equal(await resolveSubPath(volume, 'link'), join(volume, 'real'));
  assert.equal(await resolveSubPath(volume, 'real/new/er'), join(volume, 'real/new/er'));
  assert.ok((await stat(join(volume, 'real/new/er'))).isDirectory());
  for (const path of ['out', 'out/passwd', 'up', 'up/x'])
    await assert.rejects(resolveSubPath(volume, path), /leads out of its volume/);
  for (const path of ['../x', 'a/../../x', '/etc'])
    await assert.rejects(resolveSubPath(volume, path), /must/);
});

test('a file of a volume is read from inside of it only', async (t) => {
  const base = await realpath(await mkdtemp(join(tmpdir(), 'flotilla-read-')));
  t.after(() => rm(base, { recursive: true, force: true }));
  const volume = join(base, 'volume');
  await mkdir(join(volume, 'folder'), { recursive: true });
  await writeFile(join(volume, 'text'), 'A=1\n');
  await symlink('text', join(volume, 'link'));
  await symlink('/etc/passwd', join(volume, 'out'));
  assert.equal(await readInside(volume, 'link'), 'A=1\n');
  assert.equal(await readInside(volume, 'missing'), undefined);
  await assert.rejects(readInside(volume, 'out'), /leads out of its volume/);
  await assert.rejects(readInside(volume, 'folder'), /is not a file/);
});
