import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { localVolumes } from '../../../protocol/kinds/local-volumes.ts';
import type { CsiDriver } from './csi-driver.ts';

const everybody = 0o777;

/** Volumes of the built-in storage class: folders in the agent's own, made when they are first mounted. */
export const localPathDriver: CsiDriver = {
  name: localVolumes.driver,
  async publish({ volumeHandle, volumeAttributes = {} }, { node }) {
    const home = volumeAttributes[localVolumes.nodeAttribute];
    if (home !== node.name) throw new Error(`the volume is on node "${home ?? ''}", not on this one`);
    const folder = localVolumeFolder(node.dataDir, volumeHandle);
    const made = await mkdir(folder, { recursive: true });
    // Once: what the pod makes of it later is its own.
    if (made !== undefined) await chmod(folder, everybody);
    return folder;
  },
};

/** @throws Error for a handle that is no name of a folder. */
export function localVolumeFolder(dataDir: string, handle: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(handle)) return join(dataDir, 'local-volumes', handle);
  throw new Error(`${JSON.stringify(handle)} cannot be the name of a volume's folder`);
}
