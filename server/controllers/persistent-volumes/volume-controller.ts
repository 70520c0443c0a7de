import type { PersistentVolume } from '../../../protocol/generated/models.ts';
import { isToBeReclaimed, localVolumeNode, localVolumes } from '../../../protocol/kinds/local-volumes.ts';
import { nodeKind } from '../../../protocol/kinds/node.ts';
import { persistentVolumeKind } from '../../../protocol/kinds/persistent-volume.ts';
import { persistentVolumeClaimKind } from '../../../protocol/kinds/persistent-volume-claim.ts';
import { objectKey, storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { isStatus } from '../../../protocol/status.ts';
import type { Registry } from '../../registry/registry.ts';
import { type ControllerContext, defineController } from '../define-controller.ts';
import { ignoreGone } from '../expected-failures.ts';
import { addOnce } from '../indexes.ts';
import { byClaimRef } from './indexes.ts';

/**
 * Keeps each volume's phase, and gives volumes back when their claim is gone: with the policy Delete one that is a
 * folder of a device is deleted once that device has said that the folder is; a device that is deleted itself owes
 * nothing. A volume that is bound is not removed.
 */
export const persistentVolumeController = defineController({
  name: 'persistentvolume-phases',
  workers: 2,
  setup(context, enqueue) {
    const { cache, follow } = context;
    const volumes = cache.informer(persistentVolumeKind);
    const nodes = cache.informer(nodeKind);
    addOnce(volumes, byClaimRef);
    follow(volumes, ({ object }) => enqueue(storedMeta(object).name));
    follow(cache.informer(persistentVolumeClaimKind), (change) => {
      if (change.type === 'added') return;
      for (const volume of volumes.byIndex(byClaimRef.name, objectKey(change.object)))
        enqueue(storedMeta(volume).name);
    });
    follow(nodes, ({ type, object }) => {
      if (type !== 'deleted') return;
      for (const volume of volumes.list())
        if (localVolumeNode(volume) === object.metadata?.name) enqueue(storedMeta(volume).name);
    });
    return async (name) => {
      const volume = volumes.get(undefined, name);
      if (volume)
        await reconcile(context, volume, (node) => nodes.get(undefined, node) !== undefined).catch(
          ignoreGone,
        );
    };
  },
});

const protection = 'kubernetes.io/pv-protection';
type Phase = 'Available' | 'Bound' | 'Released' | 'Failed';

async function reconcile(
  context: ControllerContext,
  volume: Readonly<PersistentVolume>,
  isNode: (name: string) => boolean,
): Promise<void> {
  const { registry } = context;
  const { deletionTimestamp, finalizers = [], name } = storedMeta(volume);
  if (deletionTimestamp === undefined && !finalizers.includes(protection))
    return editFinalizers(registry, volume, (own) => [...own, protection]);
  const phase = await phaseOf(registry, volume);
  const policy = volume.spec?.persistentVolumeReclaimPolicy;
  const ownFolder = finalizers.includes(localVolumes.finalizer);
  const node = localVolumeNode(volume);
  if (phase === 'Released' && policy === 'Delete' && !ownFolder && deletionTimestamp === undefined)
    return failDeletion(context, volume);
  await setPhase(registry, volume, phase);
  if (phase === 'Bound') return;
  const nodeGone = node === undefined || !isNode(node);
  // What nobody will remove, or nobody should, does not keep the object.
  const letGo =
    ownFolder && ((phase === 'Released' && policy === 'Delete' && nodeGone) || policy !== 'Delete');
  if (deletionTimestamp !== undefined) {
    const dropped = letGo ? [protection, localVolumes.finalizer] : [protection];
    if (dropped.some((one) => finalizers.includes(one)))
      await editFinalizers(registry, volume, (own) => own.filter((one) => !dropped.includes(one)));
    return;
  }
  if (isToBeReclaimed({ ...volume, status: { phase } }))
    await registry.delete(persistentVolumeKind, { name }, { preconditions: { uid: storedMeta(volume).uid } });
}

async function phaseOf(registry: Registry, volume: Readonly<PersistentVolume>): Promise<Phase> {
  const { uid, name = '', namespace = '' } = volume.spec?.claimRef ?? {};
  if (uid === undefined) return 'Available';
  // Asked of the store: a volume must not be released because a cache was behind.
  const claim = await registry.get(persistentVolumeClaimKind, { namespace, name }).catch((error: unknown) => {
    if (isStatus(error, 'NotFound')) return undefined;
    throw error;
  });
  if (claim?.metadata?.uid !== uid) return 'Released';
  const { volumeName } = claim.spec ?? {};
  return volumeName === undefined || volumeName === volume.metadata?.name ? 'Bound' : 'Released';
}

async function setPhase(
  registry: Registry,
  volume: Readonly<PersistentVolume>,
  phase: Phase,
  message?: string,
): Promise<void> {
  if (volume.status?.phase === phase) return;
  const { name, uid } = storedMeta(volume);
  const edit = (draft: PersistentVolume) => {
    if (draft.metadata?.uid !== uid) return;
    draft.status = { phase, ...(message === undefined ? {} : { message }) };
  };
  await registry.mutate(persistentVolumeKind, { name }, edit, { subresource: 'status' });
}

async function failDeletion(
  { registry, events }: ControllerContext,
  volume: Readonly<PersistentVolume>,
): Promise<void> {
  const external = volume.metadata?.annotations?.['pv.kubernetes.io/provisioned-by'];
  if (external !== undefined) return setPhase(registry, volume, 'Released');
  if (volume.status?.phase === 'Failed') return;
  const name = storedMeta(volume).name;
  const message = `error getting deleter volume plugin for volume "${name}": no deletable volume plugin matched`;
  const source = { component: 'persistentvolume-controller' };
  events.record(persistentVolumeKind, volume, {
    type: 'Warning',
    reason: 'VolumeFailedDelete',
    message,
    source,
  });
  await setPhase(registry, volume, 'Failed', message);
}

async function editFinalizers(
  registry: Registry,
  volume: Readonly<PersistentVolume>,
  edit: (own: readonly string[]) => string[],
): Promise<void> {
  const { name, uid } = storedMeta(volume);
  await registry.mutate(persistentVolumeKind, { name }, ({ metadata = {} }) => {
    if (metadata.uid === uid) metadata.finalizers = edit(metadata.finalizers ?? []);
  });
}
