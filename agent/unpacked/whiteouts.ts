import type { Dirent } from 'node:fs';
import {
  chmod,
  chown,
  constants,
  copyFile,
  lchown,
  lstat,
  lutimes,
  mkdir,
  readdir,
  readlink,
  rm,
  symlink,
  utimes,
} from 'node:fs/promises';
import { join, relative } from 'node:path';
import { run } from '../../lib/exec.ts';
import { LayerError } from '../layers/layer-error.ts';
import { plainFolder } from './inside.ts';

/**
 * What a layer removes from those below it, as overlays have it: a character device 0/0 in its place. A folder that hides all that it was
 * below is told by such devices too, name by name: so no attribute is needed that only a privileged program could set.
 */
export interface Whiteouts {
  /** Of the unpacked layer. */
  root: string;
  /** The unpacked layers below it. */
  below: readonly string[];
  removed: readonly { folder: string; name: string }[];
  /** Folders of the layer. */
  opaque: ReadonlySet<string>;
}

const atOnceMax = 200;
const timeoutMs = 60_000;

export async function makeWhiteouts({ root, below, removed, opaque }: Whiteouts): Promise<void> {
  const paths = new Set<string>();
  const hidden = [...opaque];
  for (const { folder, name } of removed) {
    const found = await lstat(join(folder, name)).catch(() => undefined);
    // Made anew by the same layer: a file is that one, of a folder nothing of what was below shows through.
    if (!found) paths.add(join(folder, name));
    else if (found.isDirectory()) hidden.push(join(folder, name));
  }
  for (let folder = hidden.pop(); folder !== undefined; folder = hidden.pop()) {
    const own = new Map((await readdir(folder, { withFileTypes: true })).map((entry) => [entry.name, entry]));
    for (const name of await namesBelow(relative(root, folder), below)) {
      const entry = own.get(name);
      if (!entry) paths.add(join(folder, name));
      else if (entry.isDirectory()) hidden.push(join(folder, name));
    }
  }
  const all = [...paths];
  for (let at = 0; at < all.length; at += atOnceMax) await makeDevices(all.slice(at, at + atOnceMax));
}

async function namesBelow(path: string, below: readonly string[]): Promise<Set<string>> {
  const names = new Set<string>();
  const parts = path.split('/').filter((part) => part !== '');
  for (const layer of below) {
    const folder = await plainFolder(layer, parts);
    for (const name of folder === undefined ? [] : await readdir(folder)) names.add(name);
  }
  return names;
}

async function makeDevices(paths: readonly string[]): Promise<void> {
  const script = 'for path; do mknod "$path" c 0 0 || exit 1; done';
  const { exitCode, stderr } = await run('/bin/sh', ['-c', script, 'sh', ...paths], { timeoutMs });
  if (exitCode !== 0)
    throw new LayerError('NoRoom', `what a layer removes cannot be marked: ${stderr.trim()}`);
}

/** Adds an unpacked layer to a folder that holds a copy of those below it: where there are no overlays. */
export async function copyLayer(layer: string, into: string): Promise<void> {
  for (const entry of await readdir(layer, { withFileTypes: true }))
    await copyEntry(entry, join(layer, entry.name), join(into, entry.name));
}

async function copyEntry(entry: Dirent, from: string, to: string): Promise<void> {
  const known = await lstat(to).catch(() => undefined);
  if (known && !(entry.isDirectory() && known.isDirectory())) await rm(to, { recursive: true, force: true });
  if (entry.isCharacterDevice()) return;
  const { mode, uid, gid, atimeMs, mtimeMs } = await lstat(from);
  const own = process.getuid?.() === 0;
  if (entry.isSymbolicLink()) {
    await symlink(await readlink(from), to);
    if (own) await lchown(to, uid, gid);
    await lutimes(to, atimeMs / 1000, mtimeMs / 1000);
    return;
  }
  if (entry.isDirectory()) {
    await mkdir(to, { recursive: true, mode: 0o700 });
    await copyLayer(from, to);
  } else await copyFile(from, to, constants.COPYFILE_FICLONE);
  if (own) await chown(to, uid, gid);
  await chmod(to, mode & 0o7777);
  await utimes(to, atimeMs / 1000, mtimeMs / 1000);
}
