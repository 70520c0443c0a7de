import { chmod, mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { finish } from './programs.ts';

/**
 * A podman in front of the real one, that hangs or is broken as long as a file says so. Put `folder` first in the
 * agent's PATH.
 */
export class FaultyEngine {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async create(directory: string): Promise<FaultyEngine> {
    const folder = join(directory, 'engine');
    await mkdir(folder);
    const real = (await finish('sh', ['-c', 'command -v podman'])).stdout.trim();
    const script = [
      '#!/bin/sh',
      `case "$(cat ${folder}/fault 2> /dev/null)" in`,
      '  hangs) exec sleep 1000 ;;',
      '  broken) echo "Error: database disk image is malformed" >&2; exit 125 ;;',
      'esac',
      `exec ${real} "$@"`,
    ];
    await writeFile(join(folder, 'podman'), `${script.join('\n')}\n`);
    await chmod(join(folder, 'podman'), 0o755);
    return new FaultyEngine(folder);
  }

  get path(): string {
    return `${this.folder}:${process.env['PATH'] ?? ''}`;
  }

  async fail(how: 'hangs' | 'broken'): Promise<void> {
    await writeFile(join(this.folder, 'fault'), how);
  }

  async heal(): Promise<void> {
    await rm(join(this.folder, 'fault'), { force: true });
  }
}

/** Folder for a PATH on which no container engine is found until `install` is called. */
export async function pathWithoutEngine(
  directory: string,
): Promise<{ path: string; install(): Promise<void> }> {
  const folder = join(directory, 'programs');
  await mkdir(folder);
  const real = (await finish('sh', ['-c', 'command -v podman'])).stdout.trim();
  const engines = new Set(['podman', 'docker', 'nerdctl']);
  for (const from of (process.env['PATH'] ?? '').split(':')) {
    for (const name of await readdir(from).catch(() => []))
      if (!engines.has(name)) await symlink(join(from, name), join(folder, name)).catch(() => undefined);
  }
  return { path: folder, install: () => symlink(real, join(folder, 'podman')) };
}
