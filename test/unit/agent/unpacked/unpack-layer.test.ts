import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import * as fc from 'fast-check';
import { LayerError } from '../../../../agent/layers/layer-error.ts';
import { unpackLayer } from '../../../../agent/unpacked/unpack-layer.ts';
import { copyLayer } from '../../../../agent/unpacked/whiteouts.ts';
import { type Member, tarOf } from './tar-bytes.ts';

const isRoot = process.getuid?.() === 0;
const signal = new AbortController().signal;

interface Place {
  root: string;
  /** Beside the root: nothing may ever come here. */
  outside: string;
}

async function place(t: TestContext): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), 'flotilla-unpack-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const root = join(folder, 'root');
  const outside = join(folder, 'outside');
  await mkdir(root);
  await mkdir(outside);
  await writeFile(join(outside, 'secret'), 'untouched');
  return { root, outside };
}

/** In parts of an odd size, as a network has it. */
async function* parts(data: Uint8Array, size = 700): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size);
}

const unpack = (root: string, data: Uint8Array, below: readonly string[] = []) =>
  unpackLayer(parts(data), { root, below, signal });

test('files, folders and links come as the archive has them, compressed in whatever way or not at all', async (t) => {
  const archive = tarOf(
    { name: './', flag: '5', mode: 0o755 },
    { name: 'usr/', flag: '5', mode: 0o750 },
    { name: 'usr/data', data: 'x'.repeat(3000), mode: 0o4755 },
    { name: 'usr/same', flag: '1', link: 'usr/data' },
    { name: 'lib', flag: '2', link: 'usr' },
    { name: 'lib/through', data: 'a link' },
    { name: 'no/parent/named', data: 'y' },
    { name: 'short', data: 'z', pax: { path: `long/${'n'.repeat(150)}` } },
    { name: 'dev/sda', flag: '4' },
  );
  const diffId = `sha256:${createHash('sha256').update(archive).digest('hex')}`;
  for (const data of [archive, gzipSync(archive), zstdCompressSync(archive)]) {
    const { root } = await place(t);
    assert.deepEqual(await unpack(root, data), { diffId, bytes: 3008 });
    assert.equal((await stat(join(root, 'usr/data'))).mode & 0o7777, 0o4755);
    assert.equal((await stat(join(root, 'usr'))).mode & 0o777, 0o750);
    assert.equal((await stat(join(root, 'usr/same'))).ino, (await stat(join(root, 'usr/data'))).ino);
    assert.equal(await readlink(join(root, 'lib')), 'usr');
    assert.equal(await readFile(join(root, 'usr/through'), 'utf8'), 'a link');
    assert.equal(await readFile(join(root, 'no/parent/named'), 'utf8'), 'y');
    assert.equal((await readdir(join(root, 'long')))[0]?.length, 150);
    assert.deepEqual(await readdir(join(root, 'dev')), []);
    assert.equal((await stat(join(root, 'usr/data'))).mtimeMs, 1_700_000_000_000);
  }
});

test('no path and no link leads out of the folder', async (t) => {
  const { root, outside } = await place(t);
  const refused = [
    [{ name: '../outside/new', data: 'x' }],
    [{ name: 'a/../../outside/new', data: 'x' }],
    [{ name: 'hard', flag: '1', link: '../outside/secret' }],
    [{ name: 'hard', flag: '1', link: `${outside}/secret` }],
    [
      { name: 'way', flag: '2', link: '../outside' },
      { name: 'hard', flag: '1', link: 'way/secret' },
    ],
    [
      { name: 'round', flag: '2', link: 'round' },
      { name: 'round/x', data: 'x' },
    ],
    [
      { name: 'file', data: 'x' },
      { name: 'file/below', data: 'x' },
    ],
    [{ name: 'x\0y', data: '', pax: { path: 'a\0b' } }],
    [{ name: '.wh...', data: '' }],
    [{ name: '.wh.', data: '' }],
  ] satisfies Member[][];
  for (const members of refused)
    await assert.rejects(unpack(root, tarOf(...members)), { code: 'WrongContent' }, JSON.stringify(members));
  // These stay inside, as they would for a container that had the folder for its root.
  await unpack(
    root,
    tarOf(
      { name: '/absolute', data: 'x' },
      { name: 'up', flag: '2', link: '../../../outside' },
      { name: 'up/new', data: 'inside' },
      { name: 'whole', flag: '2', link: outside },
      { name: 'whole/secret', data: 'inside' },
      { name: 'secret', flag: '2', link: `${outside}/secret` },
      { name: 'secret', data: 'in place of the link' },
    ),
  );
  assert.equal(await readFile(join(root, 'absolute'), 'utf8'), 'x');
  assert.equal(await readFile(join(root, 'outside/new'), 'utf8'), 'inside');
  assert.equal(await readFile(join(root, outside, 'secret'), 'utf8'), 'inside');
  assert.ok((await lstat(join(root, 'secret'))).isFile());
  assert.deepEqual(await readdir(outside), ['secret']);
  assert.equal(await readFile(join(outside, 'secret'), 'utf8'), 'untouched');
});

test('what a layer removes hides what is below it, folder by folder, and nothing of its own', async (t) => {
  const low = (await place(t)).root;
  await unpack(
    low,
    tarOf(
      { name: 'etc/', flag: '5', mode: 0o700 },
      { name: 'etc/gone', data: 'x' },
      { name: 'etc/stays', data: 'low' },
      { name: 'all/one', data: 'x' },
      { name: 'all/deep/two', data: 'x' },
      { name: 'all/deep/three', data: 'x' },
      { name: 'again/old', data: 'x' },
      { name: 'kind/was-folder', data: 'x' },
    ),
  );
  const high = (await place(t)).root;
  await unpack(
    high,
    tarOf(
      { name: 'etc/.wh.gone' },
      { name: 'all/deep/three', data: 'new' },
      { name: 'all/.wh..wh..opq' },
      { name: '.wh.again' },
      { name: 'again/new', data: 'new' },
      { name: 'kind', data: 'a file now' },
    ),
    [low],
  );
  assert.equal((await stat(join(high, 'etc'))).mode & 0o777, 0o700, 'a folder that is not named is as below');
  const isGone = async (path: string) => {
    const found = await lstat(join(high, path));
    return found.isCharacterDevice() && found.rdev === 0;
  };
  for (const path of ['etc/gone', 'all/one', 'all/deep/two', 'again/old'])
    assert.ok(await isGone(path), `${path} is hidden`);
  const tree = (await place(t)).root;
  for (const layer of [low, high]) await copyLayer(layer, tree);
  const files = (await readdir(tree, { recursive: true })).sort();
  assert.deepEqual(files, [
    'again',
    'again/new',
    'all',
    'all/deep',
    'all/deep/three',
    'etc',
    'etc/stays',
    'kind',
  ]);
});

test('owners, attributes of programs and large numbers are kept', { skip: !isRoot }, async (t) => {
  const { root } = await place(t);
  const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex');
  await unpack(
    root,
    tarOf(
      { name: 'mine', data: 'x', uid: 4711, gid: 4712 },
      { name: 'large', data: 'x', pax: { uid: '3000000', 'SCHILY.xattr.trusted.overlay.opaque': 'y' } },
      { name: 'ping', data: 'x', mode: 0o755, pax: { 'SCHILY.xattr.security.capability': capability } },
    ),
  );
  const mine = await lstat(join(root, 'mine'));
  assert.deepEqual([mine.uid, mine.gid], [4711, 4712]);
  assert.equal((await lstat(join(root, 'large'))).uid, 3_000_000);
});

test('whatever bytes come, it ends, within the folder and in an error of its own', async (t) => {
  const { root, outside } = await place(t);
  const good = tarOf(
    { name: 'a/b', data: 'x'.repeat(600) },
    { name: 'l', flag: '2', link: 'a', pax: { path: 'a/link' } },
    { name: 'a/link/c', data: 'y' },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 8 }),
      fc.nat(good.length),
      async (changes, length) => {
        const data = Buffer.from(good);
        for (const [at, byte] of changes) data[at] = byte;
        await unpack(root, data.subarray(0, length)).catch((error: unknown) => {
          if (error instanceof LayerError) return;
          // A name that the file system does not take.
          assert.ok(
            error instanceof Error && 'code' in error && error.code === 'ENAMETOOLONG',
            String(error),
          );
        });
        await rm(root, { recursive: true, force: true });
        await mkdir(root);
      },
    ),
    { numRuns: 60 },
  );
  assert.deepEqual(await readdir(outside), ['secret']);
});
