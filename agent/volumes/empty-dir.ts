import { chmod, lchown, mkdir } from 'node:fs/promises';
import type { EmptyDirVolumeSource, Pod } from '../../protocol/generated/models.ts';
import { quantityValue } from '../../protocol/quantity.ts';
import { mountAt, mountsUnder } from './mount-table.ts';
import type { VolumePlugin } from './volume-plugin.ts';

const everybody = 0o777;
const setGroupId = 0o2000;

/** A folder that lives as long as the pod, on disk or as a tmpfs of the size the pod may use. */
export const emptyDirVolume: VolumePlugin<EmptyDirVolumeSource> = {
  field: 'emptyDir',
  async prepare({ medium, sizeLimit }, { pod, diskFolder, memoryFolder, node }) {
    const gid = pod.spec?.securityContext?.fsGroup;
    const mode = everybody | (gid === undefined ? 0 : setGroupId);
    if (medium && medium !== 'Memory') throw new Error(`medium ${medium} is not available on this node`);
    const path = medium === 'Memory' ? await memoryFolder() : diskFolder;
    await mkdir(path, { recursive: true });
    if (medium === 'Memory' && process.getuid?.() === 0 && !(await mountsUnder(path)).includes(path)) {
      const limit = sizeLimit === undefined ? 0 : quantityValue(sizeLimit);
      const sizes = [limit, memoryLimitOf(pod), node.allocatable().memoryBytes].filter((size) => size > 0);
      await mountAt(path, ['-t', 'tmpfs', '-o', `size=${Math.min(...sizes)},nosuid,nodev`, 'tmpfs']);
    }
    if (gid !== undefined) await lchown(path, -1, gid);
    await chmod(path, mode);
    return { path, readOnly: false };
  },
};

/** What all containers together may use; 0 when one of them has no limit. */
function memoryLimitOf({ spec }: Pod): number {
  const ofPod = spec?.resources?.limits?.['memory'];
  if (ofPod !== undefined) return quantityValue(ofPod);
  const limits = (spec?.containers ?? []).map(({ resources }) => resources?.limits?.['memory']);
  if (limits.includes(undefined)) return 0;
  return limits.reduce((sum, limit) => sum + quantityValue(limit ?? '0'), 0);
}
