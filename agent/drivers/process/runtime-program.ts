import { accessSync, constants, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseCgroupMounts } from './cgroups.ts';

/** What gives a process the files of an image for its own, without an engine. */
export interface RuntimeProgram {
  kind: 'crun' | 'runc' | 'bwrap';
  path: string;
}

const usualFolders = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** What a person is to do where there is none. */
export const installWords = 'install crun (or runc, or bubblewrap), or a container engine';

/**
 * The first that is here, in the order of docs/decisions/0276: crun takes the least, runc does as much, bubblewrap cannot change users.
 * crun wants control groups of one version only; runc wants to be able to make some.
 */
export function findRuntimeProgram({
  cgroups,
  only,
  folders = usualFolders,
}: {
  cgroups: boolean;
  only?: RuntimeProgram['kind'];
  folders?: readonly string[];
}): RuntimeProgram | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const candidates: [RuntimeProgram['kind'], boolean][] = [
    ['crun', !areCgroupsMixed()],
    ['runc', cgroups],
    ['bwrap', true],
  ];
  for (const [kind, fits] of candidates) {
    const path = fits && (only ?? kind) === kind ? programPath(kind, folders) : undefined;
    if (path !== undefined) return { kind, path };
  }
  return undefined;
}

function programPath(name: string, folders: readonly string[]): string | undefined {
  return folders.map((folder) => join(folder, name)).find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function areCgroupsMixed(): boolean {
  try {
    const { unified, controllers } = parseCgroupMounts(readFileSync('/proc/self/mounts', 'utf8'));
    return unified !== undefined && controllers.size > 0;
  } catch {
    return false;
  }
}
