import type {
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  StorageClass,
} from '../../../protocol/generated/models.ts';
import { localProvisioner } from './local-provisioner.ts';

/** Makes the PersistentVolume that a claim asks for; what it stands for, the device makes when it is first mounted. */
export interface Provisioner {
  /** As in StorageClass.provisioner. */
  readonly name: string;
  /** Pure; the same claim gives a volume of the same name, held for the claim. */
  provision(
    claim: Readonly<PersistentVolumeClaim>,
    place: { storageClass: Readonly<StorageClass>; node: Readonly<Node> | undefined },
  ): { volume: PersistentVolume } | { refused: string };
}

/** Provisioners of other names are external: programs that watch claims over the API. */
export const provisioners: readonly Provisioner[] = [localProvisioner];
