import type { PersistentVolume, Pod } from '../../../protocol/generated/models.ts';
import { volumeClaimNames } from '../../../protocol/match-volume.ts';
import type { NamedIndex } from '../indexes.ts';

/** Pods by the claims that they name, `namespace/name`. */
export const byClaim: NamedIndex = {
  name: 'persistentVolumeClaim',
  values: (object) => claimsOf(object as Pod),
};

/** Volumes by the claim that they are held for. */
export const byClaimRef: NamedIndex = {
  name: 'claimRef',
  values(object) {
    const { namespace, name } = (object as PersistentVolume).spec?.claimRef ?? {};
    return name === undefined ? [] : [`${namespace ?? ''}/${name}`];
  },
};

/** Volumes that claims of a class may choose from. */
export const byStorageClass: NamedIndex = {
  name: 'storageClass',
  values: (object) => [(object as PersistentVolume).spec?.storageClassName ?? ''],
};

/** As keys, `namespace/name`. */
export function claimsOf(pod: Readonly<Pod>): string[] {
  return volumeClaimNames(pod).map((name) => `${pod.metadata?.namespace ?? ''}/${name}`);
}
