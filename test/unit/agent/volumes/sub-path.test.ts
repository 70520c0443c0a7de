import assert from 'node:assert/strict';
import { mkdir, mkdtemp, realpath, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { resolveSubPath } from '../../../../agent/volumes/sub-path.ts';

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
