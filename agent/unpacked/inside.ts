import { lstat, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { LayerError } from '../layers/layer-error.ts';

/**
 * Paths of an image inside the folder that it is unpacked into. Nobody else writes there meanwhile, so that what has been looked at
 * stays as it is: no step of a path leads out of the folder, whatever links the archive has made before.
 */
const linksMax = 40;

/** Throws LayerError for a path that climbs. */
export function partsOf(path: string): string[] {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..'))
    throw new LayerError('WrongContent', `the archive names ${JSON.stringify(path)}, which climbs out of it`);
  return parts;
}

/**
 * The folder that these parts lead to, through links as a container would follow them. `make` makes what is
 * missing; without that, undefined.
 */
export async function folderInside(
  root: string,
  parts: readonly string[],
  make?: (path: string, parts: readonly string[]) => Promise<void>,
): Promise<string | undefined> {
  const wanted = [...parts];
  let real: string[] = [];
  for (let links = 0; wanted.length > 0; ) {
    const part = wanted.shift() ?? '';
    if (part === '' || part === '.') continue;
    if (part === '..') {
      real = real.slice(0, -1);
      continue;
    }
    const path = join(root, ...real, part);
    const found = await lstat(path).catch(() => undefined);
    if (found?.isSymbolicLink()) {
      if (++links > linksMax)
        throw new LayerError('WrongContent', `the archive has a circle of links at /${parts.join('/')}`);
      const target = await readlink(path);
      if (target.startsWith('/')) real = [];
      wanted.unshift(...target.split('/'));
      continue;
    }
    if (found && !found.isDirectory()) {
      if (!make) return undefined;
      throw new LayerError(
        'WrongContent',
        `the archive has something below /${[...real, part].join('/')}, which is a file`,
      );
    }
    real.push(part);
    if (found) continue;
    if (!make) return undefined;
    await make(path, real);
  }
  return join(root, ...real);
}

/** The real folder of these parts without following any link; undefined when there is none. */
export async function plainFolder(root: string, parts: readonly string[]): Promise<string | undefined> {
  let path = root;
  for (const part of parts) {
    path = join(path, part);
    const found = await lstat(path).catch(() => undefined);
    if (!found?.isDirectory()) return undefined;
  }
  return path;
}
