import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { findRuntimeProgram } from '../../../../../agent/drivers/process/runtime-program.ts';

test('a device uses what is installed, the best first, and what its control groups allow', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('images without an engine need root');
  const folder = await mkdtemp(join(tmpdir(), 'flotilla-programs-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const find = (cgroups: boolean, only?: 'runc') =>
    findRuntimeProgram({ cgroups, folders: [folder], ...(only ? { only } : {}) })?.kind;
  assert.equal(find(true), undefined);
  await writeFile(join(folder, 'bwrap'), '', { mode: 0o755 });
  assert.equal(find(true), 'bwrap');
  await writeFile(join(folder, 'runc'), '', { mode: 0o755 });
  assert.equal(find(true), 'runc');
  assert.equal(find(false), 'bwrap');
  assert.equal(find(false, 'runc'), undefined);
});
