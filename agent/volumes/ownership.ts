import { chmod, lchown, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { VolumeContext } from './volume-plugin.ts';

const setGroupId = 0o2000;
const folderBits = 0o2770;
const fileBits = 0o660;

/**
 * Gives a volume's files to the pod's fsGroup, the group able to read and write all of them. With the policy
 * OnRootMismatch only when the volume's own folder is not so already.
 */
export async function applyFsGroup(path: string, { pod }: VolumeContext): Promise<void> {
  const { fsGroup, fsGroupChangePolicy = 'Always' } = pod.spec?.securityContext ?? {};
  if (fsGroup === undefined) return;
  const root = await stat(path);
  const matches = root.gid === fsGroup && (root.mode & setGroupId) !== 0;
  if (matches && fsGroupChangePolicy === 'OnRootMismatch') return;
  for (const entry of await readdir(path, { withFileTypes: true, recursive: true })) {
    if (entry.isSymbolicLink()) continue;
    await own(join(entry.parentPath, entry.name), fsGroup, entry.isDirectory() ? folderBits : fileBits);
  }
  // Last, so that one that was cut off is done again.
  await own(path, fsGroup, folderBits);
}

async function own(path: string, group: number, bits: number): Promise<void> {
  await lchown(path, -1, group);
  await chmod(path, ((await stat(path)).mode & 0o7777) | bits);
}
