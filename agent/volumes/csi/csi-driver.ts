import type { CSIPersistentVolumeSource } from '../../../protocol/generated/models.ts';
import type { VolumeContext } from '../volume-plugin.ts';
import { localPathDriver } from './local-path.ts';

/**
 * The node's half of a CSI driver, as much of it as there is here: one file that exports one of these, and one line
 * below. It makes a volume's files reachable on this node; making and binding volumes is the server's.
 */
export interface CsiDriver {
  /** As in `spec.csi.driver` of a PersistentVolume. */
  readonly name: string;
  /** Resolves to the folder of the host that has the volume's files; may be repeated. */
  publish(source: CSIPersistentVolumeSource, context: VolumeContext): Promise<string>;
}

export const csiDrivers: readonly CsiDriver[] = [localPathDriver];
