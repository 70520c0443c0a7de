import type { PersistentVolume } from '../generated/models.ts';

/**
 * What server and device must agree on about volumes that are folders of a device: made there when a claim asks for
 * them, and removed there when their volume is given back. On the API they look like those of a CSI driver.
 */
export const localVolumes = {
  /** The provisioner of the built-in storage class, and the CSI driver of its volumes. */
  driver: 'local-path.flotilla.dev',
  storageClass: 'local-path',
  /** In `spec.csi.volumeAttributes`: the node that has the folder. */
  nodeAttribute: 'node',
  /** Kept by a volume until its folder is gone. */
  finalizer: 'flotilla.dev/local-path',
} as const;

/** Written by the scheduler on a claim whose class waits for its first consumer. */
export const selectedNodeAnnotation = 'volume.kubernetes.io/selected-node';

/** The node that has the volume's folder; undefined for any other volume. */
export function localVolumeNode({ spec }: Readonly<PersistentVolume>): string | undefined {
  return spec?.csi?.driver === localVolumes.driver
    ? spec.csi.volumeAttributes?.[localVolumes.nodeAttribute]
    : undefined;
}

/** Whether the folder is to be removed: nobody's data any more, and the policy says so. */
export function isToBeReclaimed({ metadata, spec, status }: Readonly<PersistentVolume>): boolean {
  return (
    status?.phase === 'Released' &&
    spec?.persistentVolumeReclaimPolicy === 'Delete' &&
    (metadata?.finalizers ?? []).includes(localVolumes.finalizer)
  );
}
