import type { PersistentVolumeClaim } from '../../../protocol/generated/models.ts';
import { persistentVolumeClaimKind } from '../../../protocol/kinds/persistent-volume-claim.ts';
import { storageClassKind } from '../../../protocol/kinds/storage-class.ts';
import { newestMarked } from '../default-of.ts';
import { defineAdmission } from '../define-admission.ts';
import { isOneOf } from '../is-one-of.ts';

const marks = [
  'storageclass.kubernetes.io/is-default-class',
  'storageclass.beta.kubernetes.io/is-default-class',
];
const classAnnotation = 'volume.beta.kubernetes.io/storage-class';

/** A claim that says nothing of a class gets the default one; one that says '' gets none. */
export const defaultStorageClass = defineAdmission({
  name: 'DefaultStorageClass',
  setup({ cache }) {
    const classes = cache.informer(storageClassKind);
    return {
      handles: ({ kind, operation, subresource }) =>
        subresource === '' && operation === 'CREATE' && isOneOf(kind, persistentVolumeClaimKind),
      admit({ object }) {
        const claim = object as PersistentVolumeClaim;
        if (claim.metadata?.annotations?.[classAnnotation] !== undefined) return;
        if (!claim.spec || (claim.spec.storageClassName ?? null) !== null) return;
        const name = newestMarked(classes, marks)?.metadata?.name;
        if (name !== undefined) claim.spec.storageClassName = name;
      },
    };
  },
});
