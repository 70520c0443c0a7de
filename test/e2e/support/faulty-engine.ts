import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
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
