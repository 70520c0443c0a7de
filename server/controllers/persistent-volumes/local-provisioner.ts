import { localVolumes } from '../../../protocol/kinds/local-volumes.ts';
import { storedMeta } from '../../../protocol/kinds/stored-object.ts';
import type { Provisioner } from './provisioners.ts';

const hostname = 'kubernetes.io/hostname';
/** What one device can offer. */
const accessModes = ['ReadWriteOnce', 'ReadWriteOncePod', 'ReadOnlyMany', 'ReadWriteMany'];

/** A folder of the device where the claim is first used; its pods can only run there. */
export const localProvisioner: Provisioner = {
  name: localVolumes.driver,
  provision(claim, { storageClass, node }) {
    if (!node) return { refused: 'the class must have volumeBindingMode WaitForFirstConsumer' };
    const { namespace = '', name, uid } = storedMeta(claim);
    const { spec = {} } = claim;
    if ((spec.volumeMode ?? 'Filesystem') !== 'Filesystem')
      return { refused: `volumeMode ${spec.volumeMode ?? ''} is not supported` };
    if (spec.selector) return { refused: 'claim.Spec.Selector is not supported' };
    const wanted = spec.accessModes ?? [];
    const unknown = wanted.find((mode) => !accessModes.includes(mode));
    if (unknown !== undefined) return { refused: `access mode ${unknown} is not supported` };
    const nodeName = storedMeta(node).name;
    const volumeName = `pvc-${uid}`;
    const values = [node.metadata?.labels?.[hostname] ?? nodeName];
    return {
      volume: {
        metadata: {
          name: volumeName,
          annotations: { 'pv.kubernetes.io/provisioned-by': localVolumes.driver },
          finalizers: ['kubernetes.io/pv-protection', localVolumes.finalizer],
        },
        spec: {
          accessModes: [...wanted],
          capacity: { storage: spec.resources?.requests?.['storage'] ?? '0' },
          claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name, uid },
          csi: {
            driver: localVolumes.driver,
            volumeHandle: volumeName,
            volumeAttributes: { [localVolumes.nodeAttribute]: nodeName },
          },
          nodeAffinity: {
            required: {
              nodeSelectorTerms: [{ matchExpressions: [{ key: hostname, operator: 'In', values }] }],
            },
          },
          persistentVolumeReclaimPolicy: storageClass.reclaimPolicy ?? 'Delete',
          storageClassName: storageClass.metadata?.name ?? '',
          volumeMode: 'Filesystem',
          ...(storageClass.mountOptions ? { mountOptions: [...storageClass.mountOptions] } : {}),
        },
      },
    };
  },
};
