import { claimVolume, ephemeralVolume } from './claims.ts';
import { configMapVolume, downwardApiVolume, projectedVolume, secretVolume } from './content-volumes.ts';
import { emptyDirVolume } from './empty-dir.ts';
import { hostPathVolume } from './host-path.ts';
import { nfsVolume } from './nfs.ts';
import type { VolumePlugin } from './volume-plugin.ts';

/** Every kind of volume this agent can give a pod. */
export const volumePlugins: readonly VolumePlugin<never>[] = [
  claimVolume,
  configMapVolume,
  downwardApiVolume,
  emptyDirVolume,
  ephemeralVolume,
  hostPathVolume,
  nfsVolume,
  projectedVolume,
  secretVolume,
];
