import { localVolumes } from '../../../protocol/kinds/local-volumes.ts';
import { storageClassKind } from '../../../protocol/kinds/storage-class.ts';
import { isStatus } from '../../../protocol/status.ts';
import { defineController } from '../define-controller.ts';

/** Makes the storage class of the devices' own folders, the default one, at each start where it is missing. */
export const localStorageClassController = defineController({
  name: 'local-storage-class',
  workers: 1,
  setup({ registry }, enqueue) {
    enqueue(localVolumes.storageClass);
    return async (name) => {
      await registry
        .create(storageClassKind, {
          metadata: { name, annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
          provisioner: localVolumes.driver,
          reclaimPolicy: 'Delete',
          volumeBindingMode: 'WaitForFirstConsumer',
        })
        .catch((error: unknown) => {
          if (!isStatus(error, 'AlreadyExists')) throw error;
        });
    };
  },
});
