import type { PersistentVolumeClaim } from '../../../protocol/generated/models.ts';
import { compareQuantities, parseQuantity, type Quantity } from '../../../protocol/quantity.ts';
import { one } from './amounts.ts';
import { matchesName } from './scopes.ts';
import type { Evaluator } from './usage.ts';

const ofClass = '.storageclass.storage.k8s.io/';
const classAnnotation = 'volume.beta.kubernetes.io/storage-class';

export const claimEvaluator: Evaluator = {
  covers: (name) =>
    name === 'persistentvolumeclaims' || name === 'requests.storage' || name.includes(ofClass),
  usage(object) {
    const { metadata, spec, status } = object as PersistentVolumeClaim;
    const storageClass = metadata?.annotations?.[classAnnotation] ?? spec?.storageClassName;
    const prefix = storageClass ? `${storageClass}${ofClass}` : undefined;
    const used = new Map<string, Quantity>([['persistentvolumeclaims', one]]);
    if (prefix !== undefined) used.set(`${prefix}persistentvolumeclaims`, one);
    const asked = spec?.resources?.requests?.['storage'];
    if (asked === undefined) return used;
    const storage = larger(asked, status?.allocatedResources?.['storage'] ?? asked);
    used.set('requests.storage', storage);
    if (prefix !== undefined) used.set(`${prefix}requests.storage`, storage);
    return used;
  },
  isInScope(object, scope) {
    if (scope.scopeName !== 'VolumeAttributesClass') return false;
    const { spec, status } = object as PersistentVolumeClaim;
    const names = [
      spec?.volumeAttributesClassName,
      status?.currentVolumeAttributesClassName,
      status?.modifyVolumeStatus?.targetVolumeAttributesClassName,
    ];
    return matchesName(
      scope,
      names.filter((name): name is string => name !== undefined && name !== ''),
    );
  },
  charges: ({ operation, subresource }) =>
    subresource === '' && (operation === 'CREATE' || operation === 'UPDATE'),
};

/** A claim that shrinks after a growth that failed still holds what was given to it. */
function larger(a: string, b: string): Quantity {
  const [first, second] = [parseQuantity(a), parseQuantity(b)];
  return compareQuantities(first, second) >= 0 ? first : second;
}
