import { configMapVolume, downwardApiVolume, projectedVolume, secretVolume } from './content-volumes.ts';
import { emptyDirVolume } from './empty-dir.ts';
import { hostPathVolume } from './host-path.ts';
import type { VolumePlugin } from './volume-plugin.ts';

/** Every kind of volume this agent can give a pod. */
export const volumePlugins: readonly VolumePlugin<never>[] = [
  configMapVolume,
  downwardApiVolume,
  emptyDirVolume,
  hostPathVolume,
  projectedVolume,
  secretVolume,
];
