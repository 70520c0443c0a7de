import {
  chmod,
  lchown,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** By path below the volume's folder. */
export type Payload = ReadonlyMap<string, PayloadFile>;

export interface PayloadFile {
  data: Uint8Array;
  /** Permission bits. */
  mode: number;
  /** Undefined: the agent's own. */
  uid?: number | undefined;
  gid?: number | undefined;
}

const current = '..data';
const next = '..data_tmp';
const versionPrefix = '..v';
const folderMode = 0o755;

/**
 * Makes the folder show exactly these files, all of them changing at the same instant. As in Kubernetes the files are
 * in a folder of their own that `..data` points to, and each visible name is a link through `..data`; programs that
 * watch for the link to change rely on that. Nothing is written when nothing changed. After a kill at any moment the
 * old or the new files are there, whole, and the next call clears up.
 *
 * Resolves to whether the files changed. Rejects with an Error for a path that would lead out of the folder.
 */
export async function writePayload(folder: string, payload: Payload): Promise<boolean> {
  for (const path of payload.keys()) requireInside(path);
  await mkdir(folder, { recursive: true, mode: folderMode });
  await chmod(folder, folderMode);
  const before = await readlink(join(folder, current)).catch(() => undefined);
  const unchanged = before !== undefined && (await holds(join(folder, before), payload));
  const version = unchanged ? before : await writeVersion(folder, payload);
  if (!unchanged) {
    await rm(join(folder, next), { force: true });
    await symlink(version, join(folder, next));
    await rename(join(folder, next), join(folder, current));
  }
  await showNames(folder, new Set([...payload.keys()].map(firstPart)));
  for (const name of await readdir(folder))
    if (name.startsWith(versionPrefix) && name !== version)
      await rm(join(folder, name), { recursive: true, force: true });
  return !unchanged;
}

/** Kubernetes refuses these at the API; a device does not rely on it. */
function requireInside(path: string): void {
  const parts = path.split('/');
  const bad = parts.some((part) => part === '' || part === '.' || part === '..') || path.startsWith('..');
  if (bad || path.includes('\0')) throw new Error(`invalid path: ${JSON.stringify(path)}`);
}

async function writeVersion(folder: string, payload: Payload): Promise<string> {
  const version = await mkdtemp(join(folder, versionPrefix));
  await chmod(version, folderMode);
  for (const [path, { data, mode, uid, gid }] of payload) {
    const file = join(version, path);
    await makeFolders(version, dirname(path));
    await writeFile(file, data, { mode: 0o600, flag: 'wx' });
    if (uid !== undefined || gid !== undefined) await lchown(file, uid ?? -1, gid ?? -1);
    await chmod(file, mode);
  }
  return version.slice(folder.length + 1);
}

/** With the mode as it is meant, whatever the umask. */
async function makeFolders(base: string, path: string): Promise<void> {
  let folder = base;
  for (const part of path.split('/')) {
    if (part === '.') continue;
    folder = join(folder, part);
    await mkdir(folder).catch(() => undefined);
    await chmod(folder, folderMode);
  }
}

/** Whether a version is complete and the same as the payload. */
async function holds(version: string, payload: Payload): Promise<boolean> {
  const files = await filesIn(version).catch(() => undefined);
  if (files?.length !== payload.size) return false;
  for (const [path, wanted] of payload) {
    const file = join(version, path);
    const stat = await lstat(file).catch(() => undefined);
    if (!stat?.isFile() || (stat.mode & 0o7777) !== wanted.mode || stat.size !== wanted.data.length)
      return false;
    if ((wanted.uid ?? stat.uid) !== stat.uid || (wanted.gid ?? stat.gid) !== stat.gid) return false;
    if (!(await readFile(file)).equals(wanted.data)) return false;
  }
  return true;
}

async function filesIn(folder: string): Promise<string[]> {
  const found = await readdir(folder, { withFileTypes: true, recursive: true });
  return found.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
}

async function showNames(folder: string, names: ReadonlySet<string>): Promise<void> {
  for (const name of names) {
    const target = join(current, name);
    if ((await readlink(join(folder, name)).catch(() => undefined)) === target) continue;
    await rm(join(folder, name), { recursive: true, force: true });
    await symlink(target, join(folder, name));
  }
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.name.startsWith('..') || names.has(entry.name) || !entry.isSymbolicLink()) continue;
    await rm(join(folder, entry.name));
  }
}

function firstPart(path: string): string {
  return path.split('/')[0] ?? path;
}
