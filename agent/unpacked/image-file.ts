import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';

const bytesMax = 1024 * 1024;

/**
 * A small file of an image, from the highest of its layers that has it; '' when there is none, or only by way of links. `layers` are the
 * folders, the highest first.
 */
export async function readImageFile(layers: readonly string[], parts: readonly string[]): Promise<string> {
  for (const layer of layers) {
    let path = layer;
    let found: Awaited<ReturnType<typeof lstat>> | undefined;
    for (const [index, part] of parts.entries()) {
      path = join(path, part);
      found = await lstat(path).catch(() => undefined);
      // Removed here, whatever is below.
      if (found && index < parts.length - 1 && !found.isDirectory()) return '';
      if (!found) break;
    }
    if (!found) continue;
    return found.isFile() && Number(found.size) <= bytesMax ? readFile(path, 'utf8') : '';
  }
  return '';
}
