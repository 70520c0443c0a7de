import type { Stats } from 'node:fs';
import { mkdir, open, stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import type { HostPathVolumeSource } from '../../protocol/generated/models.ts';
import type { VolumePlugin } from './volume-plugin.ts';

/** A path of the host, checked for being what the pod says it is. */
export const hostPathVolume: VolumePlugin<HostPathVolumeSource> = {
  field: 'hostPath',
  async prepare({ path, type = '' }) {
    await checkHostPath(path, type);
    return { path, readOnly: false };
  },
};

interface Check {
  what: string;
  is: (stats: Stats) => boolean;
}

const checks: Record<string, Check> = {
  Directory: { what: 'a directory', is: (stats) => stats.isDirectory() },
  DirectoryOrCreate: { what: 'a directory', is: (stats) => stats.isDirectory() },
  File: { what: 'a file', is: (stats) => stats.isFile() },
  FileOrCreate: { what: 'a file', is: (stats) => stats.isFile() },
  Socket: { what: 'a socket file', is: (stats) => stats.isSocket() },
  CharDevice: { what: 'a character device', is: (stats) => stats.isCharacterDevice() },
  BlockDevice: { what: 'a block device', is: (stats) => stats.isBlockDevice() },
};

/** Makes what the type says may be made; no type makes a missing folder, as container runtimes do. */
export async function checkHostPath(path: string, type: string): Promise<void> {
  if (!isAbsolute(path) || path.split('/').includes('..'))
    throw new Error(`hostPath ${JSON.stringify(path)} is not an absolute path without '..'`);
  const found = await stat(path).catch(() => undefined);
  if (!found && (type === '' || type === 'DirectoryOrCreate'))
    await mkdir(path, { recursive: true, mode: 0o755 });
  if (!found && type === 'FileOrCreate') await (await open(path, 'a', 0o644)).close();
  if (type === '') return;
  const check = checks[type];
  if (!check) throw new Error(`hostPath type ${type} is not known`);
  const now = found ?? (await stat(path).catch(() => undefined));
  if (!now || !check.is(now)) throw new Error(`hostPath type check failed: ${path} is not ${check.what}`);
}
