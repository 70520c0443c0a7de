import type {
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  StorageClass,
} from '../../../protocol/generated/models.ts';
import { selectedNodeAnnotation } from '../../../protocol/kinds/local-volumes.ts';
import { nodeKind } from '../../../protocol/kinds/node.ts';
import { persistentVolumeKind } from '../../../protocol/kinds/persistent-volume.ts';
import { persistentVolumeClaimKind } from '../../../protocol/kinds/persistent-volume-claim.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { storageClassKind } from '../../../protocol/kinds/storage-class.ts';
import { objectKey, splitKey, storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { chooseVolume, claimClass, isHeldFor, mismatch } from '../../../protocol/match-volume.ts';
import { isStatus } from '../../../protocol/status.ts';
import type { Informer } from '../../cache/informer.ts';
import { type ControllerContext, defineController } from '../define-controller.ts';
import { ignoreGone } from '../expected-failures.ts';
import { addOnce } from '../indexes.ts';
import { byClaim, byClaimRef, byStorageClass, claimsOf } from './indexes.ts';
import { provisioners } from './provisioners.ts';

/**
 * Binds claims to volumes, or has volumes made for them. The volume's claimRef decides: it is written first, by one
 * write that fails when another was quicker, and everything else follows from it, so that a crash between two writes
 * loses nothing. A claim that is deleted stays as long as a pod uses it.
 *
 * A class that waits for its first consumer is served when the claim names a node in the annotation
 * `volume.kubernetes.io/selected-node`, which the scheduler writes, or when a pod that uses it has one.
 */
export const persistentVolumeClaimController = defineController({
  name: 'persistentvolumeclaim-binder',
  workers: 4,
  setup(context, enqueue) {
    const { cache, follow } = context;
    const parts: Parts = {
      ...context,
      claims: cache.informer(persistentVolumeClaimKind),
      volumes: cache.informer(persistentVolumeKind),
      classes: cache.informer(storageClassKind),
      pods: cache.informer(podKind),
      nodes: cache.informer(nodeKind),
    };
    addOnce(parts.volumes, byClaimRef);
    addOnce(parts.volumes, byStorageClass);
    addOnce(parts.pods, byClaim);
    const pending = ({ status, spec }: Readonly<PersistentVolumeClaim>) =>
      status?.phase === 'Pending' || spec?.volumeName === undefined;
    const all = (wanted: (claim: Readonly<PersistentVolumeClaim>) => boolean) => {
      for (const claim of parts.claims.list()) if (wanted(claim)) enqueue(objectKey(claim));
    };
    follow(parts.claims, ({ object }) => enqueue(objectKey(object)));
    follow(parts.volumes, ({ type, object }) => {
      const held = byClaimRef.values(object);
      for (const key of held) enqueue(key);
      const { storageClassName = '' } = object.spec ?? {};
      if (held.length === 0 && type !== 'deleted')
        all((claim) => pending(claim) && (claimClass(claim) ?? '') === storageClassName);
    });
    follow(parts.classes, ({ type }) => type !== 'deleted' && all(pending));
    follow(parts.pods, (change) => {
      const before = change.type === 'updated' ? change.old : undefined;
      if (before && isUsing(before) === isUsing(change.object) && before.spec?.nodeName) return;
      for (const key of claimsOf(change.object)) enqueue(key);
    });
    return (key) => reconcile(parts, key).catch(ignoreGone);
  },
});

interface Parts extends ControllerContext {
  claims: Informer<PersistentVolumeClaim>;
  volumes: Informer<PersistentVolume>;
  classes: Informer<StorageClass>;
  pods: Informer<Pod>;
  nodes: Informer<Node>;
}

type Claim = Readonly<PersistentVolumeClaim>;

const protection = 'kubernetes.io/pvc-protection';
const defaultClass = 'storageclass.kubernetes.io/is-default-class';
const bindCompleted = 'pv.kubernetes.io/bind-completed';
const boundByController = 'pv.kubernetes.io/bound-by-controller';
const provisionerAnnotation = 'volume.kubernetes.io/storage-provisioner';

async function reconcile(parts: Parts, key: string): Promise<void> {
  const { namespace = '', name } = splitKey(key);
  const claim = parts.claims.get(namespace, name);
  if (!claim) return;
  const { deletionTimestamp, finalizers = [] } = storedMeta(claim);
  if (deletionTimestamp !== undefined) {
    const used = parts.pods.byIndex(byClaim.name, key).some(isUsing);
    if (used || !finalizers.includes(protection)) return;
    return change(parts, claim, (draft) => {
      const { metadata = {} } = draft;
      metadata.finalizers = (metadata.finalizers ?? []).filter((one) => one !== protection);
    });
  }
  if (!finalizers.includes(protection)) {
    return change(parts, claim, ({ metadata = {} }) => {
      metadata.finalizers = [...(metadata.finalizers ?? []), protection];
    });
  }
  const { volumeName } = claim.spec ?? {};
  return volumeName ? keepBound(parts, claim, volumeName) : find(parts, claim);
}

function isUsing({ status }: Readonly<Pod>): boolean {
  return status?.phase !== 'Succeeded' && status?.phase !== 'Failed';
}

/** The claim names its volume: because it was bound to it, or because its author chose it. */
async function keepBound(parts: Parts, claim: Claim, name: string): Promise<void> {
  const volume = await findVolume(parts, name);
  const wasBound = claim.metadata?.annotations?.[bindCompleted] !== undefined;
  if (!volume || (volume.spec?.claimRef && !isHeldFor(volume, claim))) {
    if (!wasBound) return setPhase(parts, claim, 'Pending');
    const message = volume
      ? 'Two claims are bound to the same volume, this one is bound incorrectly'
      : 'Bound claim has lost its PersistentVolume. Data on the volume is lost!';
    if (claim.status?.phase !== 'Lost') warn(parts, claim, volume ? 'ClaimMisbound' : 'ClaimLost', message);
    return setPhase(parts, claim, 'Lost');
  }
  const trouble = wasBound ? undefined : mismatch(volume, claim);
  if (trouble !== undefined) {
    const message = `Cannot bind to requested volume "${name}": ${trouble}`;
    warn(parts, claim, 'VolumeMismatch', message);
    return setPhase(parts, claim, 'Pending');
  }
  await bind(parts, claim, volume);
}

/** From the cache, and when it is not there from the store: a claim must not be lost because a cache was behind. */
async function findVolume({ volumes, registry }: Parts, name: string) {
  const cached = volumes.get(undefined, name);
  if (cached) return cached;
  return registry.get(persistentVolumeKind, { name }).catch((error: unknown) => {
    if (isStatus(error, 'NotFound')) return undefined;
    throw error;
  });
}

async function find(parts: Parts, claim: Claim): Promise<void> {
  const className = claimClass(claim);
  if (className === undefined) {
    const chosen = defaultOf(parts.classes.list());
    if (chosen !== undefined) {
      return change(parts, claim, ({ spec = {} }) => void (spec.storageClassName = chosen));
    }
  }
  const storageClass = className ? parts.classes.get(undefined, className) : undefined;
  const waits = storageClass?.volumeBindingMode === 'WaitForFirstConsumer';
  const node = waits ? selectedNode(parts, claim) : undefined;
  const own = parts.volumes.byIndex(byClaimRef.name, objectKey(claim));
  const free = waits && !node ? [] : parts.volumes.byIndex(byStorageClass.name, className ?? '');
  const volume = chooseVolume(claim, [...own, ...free], node);
  if (volume) return bind(parts, claim, volume);
  if (waits && !node) {
    const message = 'waiting for first consumer to be created before binding';
    return tell(parts, claim, 'WaitForFirstConsumer', message);
  }
  if (!className) {
    const message = 'no persistent volumes available for this claim and no storage class is set';
    return tell(parts, claim, 'FailedBinding', message);
  }
  if (!storageClass)
    return warn(parts, claim, 'ProvisioningFailed', `storageclass.storage.k8s.io "${className}" not found`);
  await provision(parts, claim, storageClass, node);
}

/** The newest that says it is, as Kubernetes chooses. */
function defaultOf(classes: Iterable<Readonly<StorageClass>>): string | undefined {
  const all = [...classes].filter(({ metadata }) => metadata?.annotations?.[defaultClass] === 'true');
  const age = ({ metadata }: Readonly<StorageClass>) => metadata?.creationTimestamp ?? '';
  return all.sort((one, other) => (age(one) < age(other) ? 1 : -1))[0]?.metadata?.name;
}

/** Where the claim is to be used first. */
function selectedNode({ pods, nodes }: Parts, claim: Claim): Readonly<Node> | undefined {
  const chosen = claim.metadata?.annotations?.[selectedNodeAnnotation];
  const users = pods.byIndex(byClaim.name, objectKey(claim)).filter(isUsing);
  const name = chosen ?? users.find(({ spec }) => spec?.nodeName)?.spec?.nodeName;
  return name === undefined ? undefined : nodes.get(undefined, name);
}

async function provision(
  parts: Parts,
  claim: Claim,
  storageClass: Readonly<StorageClass>,
  node: Readonly<Node> | undefined,
): Promise<void> {
  const { provisioner } = storageClass;
  await change(parts, claim, ({ metadata = {} }) => {
    metadata.annotations = { ...metadata.annotations, [provisionerAnnotation]: provisioner };
  });
  const own = provisioners.find(({ name }) => name === provisioner);
  if (!own) {
    if (provisioner === 'kubernetes.io/no-provisioner') {
      const message = 'no persistent volumes available for this claim, and its class makes none';
      return tell(parts, claim, 'FailedBinding', message);
    }
    const message = `Waiting for a volume to be created either by the external provisioner '${provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.`;
    return tell(parts, claim, 'ExternalProvisioning', message);
  }
  const made = own.provision(claim, { storageClass, node });
  if ('refused' in made)
    return warn(
      parts,
      claim,
      'ProvisioningFailed',
      `failed to provision volume with StorageClass "${storageClass.metadata?.name ?? ''}": ${made.refused}`,
    );
  const name = made.volume.metadata?.name ?? '';
  const volume = await parts.registry.create(persistentVolumeKind, made.volume).catch((error: unknown) => {
    if (!isStatus(error, 'AlreadyExists')) throw error;
    return parts.registry.get(persistentVolumeKind, { name });
  });
  tell(parts, claim, 'ProvisioningSucceeded', `Successfully provisioned volume ${name}`);
  await bind(parts, claim, volume);
}

/** The volume's claimRef, the claim's volumeName, then what both show. */
async function bind(parts: Parts, claim: Claim, volume: Readonly<PersistentVolume>): Promise<void> {
  const { registry } = parts;
  const { namespace = '', name, uid } = storedMeta(claim);
  const { name: volumeName } = storedMeta(volume);
  if (volume.spec?.claimRef?.uid !== uid) {
    await registry.mutate(persistentVolumeKind, { name: volumeName }, (draft) => {
      const { spec = {}, metadata = {} } = draft;
      if (spec.claimRef && !isHeldFor(draft, claim)) return;
      if (!spec.claimRef) metadata.annotations = { ...metadata.annotations, [boundByController]: 'yes' };
      const reference = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name, uid };
      spec.claimRef = { ...reference, resourceVersion: claim.metadata?.resourceVersion ?? '' };
    });
    const now = await registry.get(persistentVolumeKind, { name: volumeName });
    // Another claim was quicker; its change brings this one back.
    if (!isHeldFor(now, claim)) return;
  }
  await change(parts, claim, ({ spec = {}, metadata = {} }) => {
    const chosenHere = spec.volumeName === undefined;
    spec.volumeName ??= volumeName;
    const annotations = { ...metadata.annotations, [bindCompleted]: 'yes' };
    metadata.annotations = chosenHere ? { ...annotations, [boundByController]: 'yes' } : annotations;
  });
  const { accessModes = [], capacity = {} } = volume.spec ?? {};
  await registry.mutate(
    persistentVolumeClaimKind,
    { namespace, name },
    (draft) => {
      if (draft.metadata?.uid === uid)
        draft.status = {
          ...draft.status,
          phase: 'Bound',
          accessModes: [...accessModes],
          capacity: { ...capacity },
        };
    },
    { subresource: 'status' },
  );
}

async function change(
  parts: Parts,
  claim: Claim,
  edit: (draft: PersistentVolumeClaim) => void,
): Promise<void> {
  const { namespace = '', name, uid } = storedMeta(claim);
  await parts.registry.mutate(persistentVolumeClaimKind, { namespace, name }, (draft) => {
    if (draft.metadata?.uid === uid) edit(draft);
  });
}

async function setPhase({ registry }: Parts, claim: Claim, phase: 'Pending' | 'Lost'): Promise<void> {
  const { namespace = '', name, uid } = storedMeta(claim);
  const edit = (draft: PersistentVolumeClaim) => {
    if (draft.metadata?.uid === uid) draft.status = { ...draft.status, phase };
  };
  await registry.mutate(persistentVolumeClaimKind, { namespace, name }, edit, { subresource: 'status' });
}

function tell({ events }: Parts, claim: Claim, reason: string, message: string): void {
  const source = { component: 'persistentvolume-controller' };
  events.record(persistentVolumeClaimKind, claim, { type: 'Normal', reason, message, source });
}

function warn({ events }: Parts, claim: Claim, reason: string, message: string): void {
  const source = { component: 'persistentvolume-controller' };
  events.record(persistentVolumeClaimKind, claim, { type: 'Warning', reason, message, source });
}
