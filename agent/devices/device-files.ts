import { readdir, readFile, readlink, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** What is read of /sys and /dev to find devices. All paths are the host's, whatever root they are read below. */
export interface DeviceFiles {
  /** Undefined when it is not there or may not be read. */
  read(path: string): Promise<string | undefined>;
  /** Names in a folder, sorted; none where it is not there. */
  names(path: string): Promise<readonly string[]>;
  /** Where a path leads in the end; undefined when nowhere. */
  resolve(path: string): Promise<string | undefined>;
  /** What a link says, as it is; undefined for what is none. */
  link(path: string): Promise<string | undefined>;
  /** Changes when something in the folder comes or goes (not below /sys, whose folders have no such time). */
  stamp(path: string): Promise<string>;
  /** Where the file really lies, for whoever is to open it. */
  onHost(path: string): string;
}

/** `root` is `/` but in tests, where it is a tree that looks like another machine's. */
export function deviceFiles(root: string): DeviceFiles {
  const at = (path: string) => (root === '/' ? path : join(root, path));
  const own = async () => (root === '/' ? '' : await realpath(root));
  return {
    read: (path) => readFile(at(path), 'utf8').catch(() => undefined),
    names: (path) =>
      readdir(at(path)).then(
        (names) => names.sort(),
        () => [],
      ),
    async resolve(path) {
      try {
        const [found, base] = await Promise.all([realpath(at(path)), own()]);
        return found.startsWith(`${base}/`) ? found.slice(base.length) : found;
      } catch {
        return undefined;
      }
    },
    link: (path) => readlink(at(path)).catch(() => undefined),
    stamp: (path) =>
      stat(at(path), { bigint: true }).then(
        ({ ino, mtimeNs }) => `${ino}/${mtimeNs}`,
        () => '',
      ),
    onHost: at,
  };
}
