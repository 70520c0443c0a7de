import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import type { NFSVolumeSource } from '../../protocol/generated/models.ts';
import { mountAt, mountsUnder } from './mount-table.ts';
import type { VolumeContext, VolumePlugin } from './volume-plugin.ts';

const helpers = ['/sbin/mount.nfs', '/usr/sbin/mount.nfs'];

/** A folder of an NFS server, named by the pod itself. */
export const nfsVolume: VolumePlugin<NFSVolumeSource> = {
  field: 'nfs',
  prepare: async (source, context) => ({
    path: await mountNfs(source, undefined, context),
    readOnly: source.readOnly ?? false,
  }),
};

/** Mounted once for each pod, in its own folder; resolves to that. */
export async function mountNfs(
  { server, path, readOnly }: NFSVolumeSource,
  mountOptions: readonly string[] | undefined,
  { diskFolder }: VolumeContext,
): Promise<string> {
  if ((await mountsUnder(diskFolder)).includes(diskFolder)) return diskFolder;
  if (process.getuid?.() !== 0) throw new Error('an NFS volume needs an agent that runs as root');
  if (!helpers.some((file) => existsSync(file)))
    throw new Error('mount.nfs is not installed on this node (package nfs-common)');
  await mkdir(diskFolder, { recursive: true });
  const options = [...(mountOptions ?? []), ...(readOnly ? ['ro'] : [])];
  const words = options.length > 0 ? ['-o', options.join(',')] : [];
  await mountAt(diskFolder, ['-t', 'nfs', ...words, `${server}:${path}`]);
  return diskFolder;
}
