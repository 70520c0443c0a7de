import type { Node, PersistentVolume, PersistentVolumeClaim, Pod } from './generated/models.ts';
import { matchesNodeTerm } from './node-selection.ts';
import { compareQuantities, parseQuantity } from './quantity.ts';
import { compileLabelSelector } from './selectors.ts';

const classAnnotation = 'volume.beta.kubernetes.io/storage-class';

/** Names of the claims that the pod's volumes are, also of those that are made for it; they lie in its namespace. */
export function volumeClaimNames({ metadata, spec }: Readonly<Pod>): string[] {
  return (spec?.volumes ?? []).flatMap(({ name, persistentVolumeClaim, ephemeral }) => {
    if (persistentVolumeClaim) return [persistentVolumeClaim.claimName];
    return ephemeral ? [`${metadata?.name ?? ''}-${name}`] : [];
  });
}

/** '' asks for none; undefined leaves the choice to the default. */
export function claimClass({ metadata, spec }: Readonly<PersistentVolumeClaim>): string | undefined {
  return metadata?.annotations?.[classAnnotation] ?? spec?.storageClassName;
}

/** Whether the volume's claimRef names this claim, by uid where it has one. */
export function isHeldFor(
  { spec }: Readonly<PersistentVolume>,
  { metadata }: Readonly<PersistentVolumeClaim>,
): boolean {
  const held = spec?.claimRef;
  return (
    held !== undefined &&
    held.name === metadata?.name &&
    held.namespace === metadata?.namespace &&
    (held.uid === undefined || held.uid === metadata?.uid)
  );
}

/** What stands against the claim having the volume, in words; undefined when nothing does. */
export function mismatch(
  { spec: volume = {} }: Readonly<PersistentVolume>,
  claim: Readonly<PersistentVolumeClaim>,
): string | undefined {
  const { spec = {} } = claim;
  const requested = spec.resources?.requests?.['storage'] ?? '0';
  const capacity = volume.capacity?.['storage'] ?? '0';
  if (compareQuantities(parseQuantity(capacity), parseQuantity(requested)) < 0)
    return 'requested PV is too small';
  if ((volume.storageClassName ?? '') !== (claimClass(claim) ?? '')) return 'storageClassName does not match';
  if ((volume.volumeMode ?? 'Filesystem') !== (spec.volumeMode ?? 'Filesystem'))
    return 'incompatible volumeMode';
  const modes = volume.accessModes ?? [];
  if (!(spec.accessModes ?? []).every((mode) => modes.includes(mode))) return 'incompatible accessMode';
  return undefined;
}

/** Whether pods on the node can have the volume. */
export function isReachable({ spec }: Readonly<PersistentVolume>, node: Readonly<Node> | undefined): boolean {
  const terms = spec?.nodeAffinity?.required?.nodeSelectorTerms;
  if (!terms || !node) return true;
  const facts = { name: node.metadata?.name ?? '', labels: node.metadata?.labels ?? {} };
  return terms.some((term) => matchesNodeTerm(term, facts));
}

/** The volume that is held for the claim, else the smallest free one that fits; `node` where it is to be used. */
export function chooseVolume(
  claim: Readonly<PersistentVolumeClaim>,
  volumes: readonly Readonly<PersistentVolume>[],
  node: Readonly<Node> | undefined,
): Readonly<PersistentVolume> | undefined {
  const living = volumes.filter(({ metadata }) => metadata?.deletionTimestamp === undefined);
  const held = living.find((volume) => isHeldFor(volume, claim) && mismatch(volume, claim) === undefined);
  if (held) return held;
  const selects = claim.spec?.selector ? compileLabelSelector(claim.spec.selector) : () => true;
  const fitting = living.filter(
    (volume) =>
      volume.spec?.claimRef === undefined &&
      volume.status?.phase === 'Available' &&
      selects(volume.metadata?.labels) &&
      mismatch(volume, claim) === undefined &&
      isReachable(volume, node),
  );
  return fitting.sort((one, other) => compareQuantities(sizeOf(one), sizeOf(other)))[0];
}

function sizeOf({ spec }: Readonly<PersistentVolume>) {
  return parseQuantity(spec?.capacity?.['storage'] ?? '0');
}
