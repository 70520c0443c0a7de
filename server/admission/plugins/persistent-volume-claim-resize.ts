import type { PersistentVolumeClaim } from '../../../protocol/generated/models.ts';
import { persistentVolumeClaimKind } from '../../../protocol/kinds/persistent-volume-claim.ts';
import { storageClassKind } from '../../../protocol/kinds/storage-class.ts';
import { compareQuantities, parseQuantity } from '../../../protocol/quantity.ts';
import { defineAdmission } from '../define-admission.ts';
import { findObject } from '../find-object.ts';
import { isOneOf } from '../is-one-of.ts';
import { refusal } from '../refusal.ts';

const classAnnotation = 'volume.beta.kubernetes.io/storage-class';

/** A claim grows only where it has its volume and its class says that volumes can grow. */
export const persistentVolumeClaimResize = defineAdmission({
  name: 'PersistentVolumeClaimResize',
  setup({ cache, registry }) {
    const informer = cache.informer(storageClassKind);
    return {
      handles: ({ kind, operation, subresource }) =>
        subresource === '' && operation === 'UPDATE' && isOneOf(kind, persistentVolumeClaimKind),
      async validate(request) {
        const next = request.object as PersistentVolumeClaim;
        const old = request.oldObject as PersistentVolumeClaim;
        if (compareQuantities(sizeOf(next), sizeOf(old)) <= 0) return;
        if (old.status?.phase !== 'Bound')
          throw refusal(request, 'Only bound persistent volume claims can be expanded');
        const name = classOf(next);
        const storageClass =
          name && name === classOf(old) ? await findObject({ registry, informer }, { name }) : undefined;
        if (!storageClass?.allowVolumeExpansion)
          throw refusal(
            request,
            'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize',
          );
      },
    };
  },
});

function sizeOf({ spec }: PersistentVolumeClaim) {
  return parseQuantity(spec?.resources?.requests?.['storage'] ?? '0');
}

function classOf({ metadata, spec }: PersistentVolumeClaim): string {
  return metadata?.annotations?.[classAnnotation] ?? spec?.storageClassName ?? '';
}
