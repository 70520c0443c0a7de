import { constants } from 'node:fs';
import { mkdir, open, readlink, realpath, stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';

/**
 * The host path of a part of a volume, with every link resolved and still inside the volume; a missing folder is
 * made. Resolved anew at each start of a container, so what a container links to in its own volume leads nowhere.
 */
export async function resolveSubPath(volume: string, subPath: string): Promise<string> {
  if (isAbsolute(subPath) || subPath.split('/').includes('..'))
    throw new Error(`subPath ${JSON.stringify(subPath)} must be a relative path and must not contain '..'`);
  const root = await realpath(volume);
  let path = root;
  for (const part of subPath.split('/')) {
    if (part === '' || part === '.') continue;
    const below = join(path, part);
    path = await realpath(below).catch((error: unknown) => makeMissing(below, path, error));
    if (path !== root && !path.startsWith(`${root}/`))
      throw new Error(`subPath ${JSON.stringify(subPath)} leads out of its volume`);
  }
  return path;
}

const textBytesMax = 1024 * 1024;

/**
 * The text of a file of a volume, undefined when there is none. A container may exchange what lies in its volume for a
 * link at any moment: what has been opened is asked where it is.
 */
export async function readInside(volume: string, path: string): Promise<string | undefined> {
  const root = await realpath(volume);
  const real = await realpath(join(root, path)).catch(missingOrThrow);
  if (real === undefined) return undefined;
  const outside = new Error(`${JSON.stringify(path)} leads out of its volume`);
  if (!real.startsWith(`${root}/`)) throw outside;
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(real, flags).catch(missingOrThrow);
  if (!file) return undefined;
  try {
    if (!(await readlink(`/proc/self/fd/${file.fd}`)).startsWith(`${root}/`)) throw outside;
    const found = await file.stat();
    if (!found.isFile()) throw new Error(`${JSON.stringify(path)} is not a file`);
    if (found.size > textBytesMax)
      throw new Error(`${JSON.stringify(path)} is larger than ${textBytesMax} bytes`);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(found.size), 0, found.size, 0);
    return buffer.subarray(0, bytesRead).toString();
  } finally {
    await file.close();
  }
}

function missingOrThrow(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
  throw error;
}

async function makeMissing(folder: string, parent: string, error: unknown): Promise<string> {
  if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  const { mode } = await stat(parent);
  await mkdir(folder, { mode: mode & 0o7777 });
  return folder;
}
