import { mkdir, realpath, stat } from 'node:fs/promises';
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

async function makeMissing(folder: string, parent: string, error: unknown): Promise<string> {
  if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  const { mode } = await stat(parent);
  await mkdir(folder, { mode: mode & 0o7777 });
  return folder;
}
