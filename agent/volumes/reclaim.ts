import { rm } from 'node:fs/promises';
import type { Logger } from '../../lib/log.ts';
import type { PersistentVolume } from '../../protocol/generated/models.ts';
import { volumeReclaimed } from '../../protocol/topics/volumes.ts';
import type { DesiredSet } from '../desired/desired-set.ts';
import type { Link } from '../link/link.ts';
import { localVolumeFolder } from './csi/local-path.ts';

export interface ReclaimOptions {
  dataDir: string;
  desired: DesiredSet;
  link: Link;
  log: Logger;
}

const keyPrefix = 'Reclaim/';

/**
 * Removes the folders of volumes that the server gives back, and says so until the server names them no more. Only
 * what is named is removed: a folder that nobody speaks of is somebody's data.
 */
export function reclaimVolumes({ dataDir, desired, link, log }: ReclaimOptions): Disposable {
  const reclaim = async (key: string) => {
    const volume: PersistentVolume | undefined = desired.entries.get(key)?.object;
    const { name = '', uid = '' } = volume?.metadata ?? {};
    const handle = volume?.spec?.csi?.volumeHandle;
    if (handle === undefined) return;
    try {
      await rm(localVolumeFolder(dataDir, handle), { recursive: true, force: true });
      link.send(volumeReclaimed, { name, uid });
    } catch (error) {
      log.warn('the folder of a volume could not be removed', { volume: name, error });
    }
  };
  const reclaimAll = (keys: Iterable<string>) => {
    for (const key of keys) if (key.startsWith(keyPrefix)) void reclaim(key);
  };
  const subscriptions = new DisposableStack();
  subscriptions.use(desired.onChange(reclaimAll));
  subscriptions.use(link.onConnected(() => reclaimAll(desired.entries.keys())));
  return subscriptions;
}
