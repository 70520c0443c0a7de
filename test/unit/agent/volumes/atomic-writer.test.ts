import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { type Payload, writePayload } from '../../../../agent/volumes/atomic-writer.ts';

const payload = (files: Record<string, string>, mode = 0o644): Payload =>
  new Map(Object.entries(files).map(([path, text]) => [path, { data: Buffer.from(text), mode }]));

describe('files of objects', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flotilla-content-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));
  const read = (path: string) => readFile(join(folder, path), 'utf8');
  const visible = async () => (await readdir(folder)).filter((name) => !name.startsWith('..')).sort();

  test('are there with their modes, and go when the object loses them', async () => {
    assert.equal(await writePayload(folder, payload({ a: '1', 'deep/er/b': '2' }, 0o400)), true);
    assert.equal(await read('deep/er/b'), '2');
    assert.equal((await stat(join(folder, 'a'))).mode & 0o777, 0o400);
    assert.equal((await stat(join(folder, 'deep/er'))).mode & 0o777, 0o755);
    await writePayload(folder, payload({ a: '3' }));
    assert.deepEqual([await visible(), await read('a')], [['a'], '3']);
    assert.equal((await readdir(folder)).length, 3, 'one version, the link to it, one name');
  });

  test('change through one link, so that nobody sees half of a change', async () => {
    await writePayload(folder, payload({ a: '1', b: '1' }));
    const before = await readlink(join(folder, '..data'));
    assert.equal(await readlink(join(folder, 'a')), '..data/a');
    await writePayload(folder, payload({ a: '2', b: '2' }));
    assert.notEqual(await readlink(join(folder, '..data')), before);
  });

  test('are not written again when nothing changed', async () => {
    await writePayload(folder, payload({ a: '1' }));
    const before = await readlink(join(folder, '..data'));
    assert.equal(await writePayload(folder, payload({ a: '1' })), false);
    assert.equal(await readlink(join(folder, '..data')), before);
    assert.equal(await writePayload(folder, payload({ a: '1' }, 0o600)), true, 'a mode is content too');
  });

  test('are whole after a kill at any step, and what it left is cleared up', async () => {
    await writePayload(folder, payload({ a: '1' }));
    await mkdir(join(folder, '..vhalf'));
    await writeFile(join(folder, '..vhalf', 'a'), 'half');
    await symlink('..vhalf', join(folder, '..data_tmp'));
    await rm(join(folder, 'a'));
    assert.equal(await writePayload(folder, payload({ a: '1' })), false);
    assert.equal(await read('a'), '1', 'the name is shown again');
    await writePayload(folder, payload({ a: '2' }));
    assert.equal(await read('a'), '2');
    assert.equal((await readdir(folder)).filter((name) => name.startsWith('..v')).length, 1);
  });

  for (const path of ['../x', '/etc/x', 'a/../../x', '..data', '', 'a//b', './a', '..hidden'])
    test(`a path like ${JSON.stringify(path)} is refused`, async () => {
      await assert.rejects(writePayload(folder, payload({ [path]: 'x' })), /invalid path/);
    });
});
