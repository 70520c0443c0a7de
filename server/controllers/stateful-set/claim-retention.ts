import type { PersistentVolumeClaim, Pod, StatefulSet } from '../../../protocol/generated/models.ts';
import { sameValue } from '../../../protocol/kinds/cause.ts';
import type { OwnerReference } from '../../../protocol/kinds/define-kind.ts';
import { storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { podName } from './ordinals.ts';

/**
 * Claims are deleted with their set, or with a pod that is scaled away, by the garbage collector: an owner reference
 * says when. Pure (source: pkg/controller/statefulset, updateClaimOwnerRefForSetAndPod).
 */
export function wantedOwners(
  set: Readonly<StatefulSet>,
  pod: Readonly<Pod>,
  { claim, condemned }: { claim: Readonly<PersistentVolumeClaim>; condemned: boolean },
): OwnerReference[] {
  const { whenDeleted, whenScaled } = set.spec?.persistentVolumeClaimRetentionPolicy ?? {};
  const goesWithPod = whenScaled === 'Delete' && condemned;
  const goesWithSet = whenDeleted === 'Delete' && !goesWithPod;
  const setMeta = storedMeta(set);
  const podMeta = storedMeta(pod);
  const before = (claim.metadata?.ownerReferences ?? []) as OwnerReference[];
  return [
    ...before.filter(({ uid }) => uid !== setMeta.uid && uid !== podMeta.uid),
    ...(goesWithSet
      ? [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: setMeta.name, uid: setMeta.uid }]
      : []),
    ...(goesWithPod ? [{ apiVersion: 'v1', kind: 'Pod', name: podMeta.name, uid: podMeta.uid }] : []),
  ];
}

export function ownersDiffer(
  claim: Readonly<PersistentVolumeClaim>,
  wanted: readonly OwnerReference[],
): boolean {
  return !sameValue(claim.metadata?.ownerReferences ?? [], wanted);
}

/** The claim is about to go with the pod that had this ordinal before: the next pod waits for a new one. */
export function isStaleClaim(
  set: Readonly<StatefulSet>,
  ordinal: number,
  claim: Readonly<PersistentVolumeClaim> | undefined,
): boolean {
  if (set.spec?.persistentVolumeClaimRetentionPolicy?.whenScaled !== 'Delete') return false;
  const name = podName(set, ordinal);
  return (
    claim?.metadata?.ownerReferences?.some((owner) => owner.kind === 'Pod' && owner.name === name) ?? false
  );
}
