import type {
  PersistentVolume,
  PersistentVolumeClaim,
  StorageClass,
} from '../../../protocol/generated/models.ts';
import { selectedNodeAnnotation } from '../../../protocol/kinds/local-volumes.ts';
import { persistentVolumeKind } from '../../../protocol/kinds/persistent-volume.ts';
import { persistentVolumeClaimKind } from '../../../protocol/kinds/persistent-volume-claim.ts';
import { storageClassKind } from '../../../protocol/kinds/storage-class.ts';
import { storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { chooseVolume, claimClass, isReachable, volumeClaimNames } from '../../../protocol/match-volume.ts';
import type { Cache, Informer } from '../../cache/informer.ts';
import type { Registry } from '../../registry/registry.ts';
import type { NodeState } from '../node-state.ts';
import { definePlugin } from '../plugin.ts';
import type { PodRequest } from '../pod-request.ts';

const noProvisioner = 'kubernetes.io/no-provisioner';
/** The zone labels of volumes hold several, so parted. */
const zonesSeparator = '__';
const zoneLabels = ['topology.kubernetes.io/zone', 'topology.kubernetes.io/region'] as const;
const conflict = "node(s) didn't match PersistentVolume's node affinity";
const nothingToBind = "node(s) didn't find available persistent volumes to bind";

/**
 * A pod goes only where its volumes are, or can be made: a bound claim's volume must reach the node, and for a claim
 * whose class waits for its first consumer there must be a free volume that does, or somebody who makes one. The
 * claim is then told for which node; a pod is bound once its claims are.
 */
export const volumeBinding = definePlugin({
  name: 'VolumeBinding',
  open({ cache, registry, retry }) {
    const known = followVolumes(cache, retry);
    return {
      judge(pod) {
        const names = volumeClaimNames(pod.pod);
        if (names.length === 0) return undefined;
        const needs = names.map((name) => needOf(name, pod, known));
        const refused = needs.find((need) => need.type === 'refused');
        if (refused) return { filter: () => refused.reason };
        return {
          filter(node) {
            for (const need of needs) {
              const reason = need.type === 'refused' ? need.reason : need.filter(node);
              if (reason !== undefined) return reason;
            }
            return undefined;
          },
        };
      },
      async beforeBinding(pod, node, signal) {
        for (const name of volumeClaimNames(pod.pod)) {
          const claim = known.claims.get(pod.namespace, name);
          if (claim && !isBound(claim)) await bindFor(claim, node.name, { known, registry, signal });
        }
      },
    };
  },
});

interface Volumes {
  claims: Informer<PersistentVolumeClaim>;
  volumes: Informer<PersistentVolume>;
  classes: Informer<StorageClass>;
}

const byClass = 'scheduler.storageClass';

function followVolumes(cache: Cache, retry: (mayHelp: (waiting: PodRequest) => boolean) => void): Volumes {
  const claims = cache.informer(persistentVolumeClaimKind);
  const volumes = cache.informer(persistentVolumeKind);
  const classes = cache.informer(storageClassKind);
  volumes.addIndex(byClass, ({ spec }) => [spec?.storageClassName ?? '']);
  const usesAny = (waiting: PodRequest) => volumeClaimNames(waiting.pod).length > 0;
  claims.onChange(({ type, object }) => {
    const { namespace, name } = storedMeta(object);
    if (type === 'deleted') return;
    retry((waiting) => waiting.namespace === namespace && volumeClaimNames(waiting.pod).includes(name));
  });
  volumes.onChange(({ type }) => void (type !== 'deleted' && retry(usesAny)));
  classes.onChange(({ type }) => void (type !== 'deleted' && retry(usesAny)));
  return { claims, volumes, classes };
}

type Need =
  | { type: 'refused'; reason: string }
  | { type: 'filter'; filter(node: NodeState): string | undefined };

function needOf(name: string, pod: PodRequest, { claims, volumes, classes }: Volumes): Need {
  const claim = claims.get(pod.namespace, name);
  if (!claim) return { type: 'refused', reason: `persistentvolumeclaim "${name}" not found` };
  if (claim.metadata?.deletionTimestamp !== undefined)
    return { type: 'refused', reason: `persistentvolumeclaim "${name}" is being deleted` };
  if (claim.status?.phase === 'Lost')
    return {
      type: 'refused',
      reason: `persistentvolumeclaim "${name}" bound to non-existent persistentvolume`,
    };
  if (isBound(claim)) {
    const volume = volumes.get(undefined, claim.spec?.volumeName ?? '');
    if (!volume) return { type: 'refused', reason: `persistentvolume of claim "${name}" not found` };
    return { type: 'filter', filter: (node) => reaches(volume, node) };
  }
  const className = claimClass(claim) ?? '';
  const storageClass = classes.get(undefined, className);
  if (storageClass?.volumeBindingMode !== 'WaitForFirstConsumer')
    return { type: 'refused', reason: 'pod has unbound immediate PersistentVolumeClaims' };
  const free = volumes.byIndex(byClass, className);
  return {
    type: 'filter',
    filter(node) {
      if (free.length > 0 && chooseVolume(claim, free, node.node)) return undefined;
      return isMadeFor(storageClass, node) ? undefined : nothingToBind;
    },
  };
}

function isBound({ spec, status }: Readonly<PersistentVolumeClaim>): boolean {
  return Boolean(spec?.volumeName) && status?.phase === 'Bound';
}

function reaches(volume: Readonly<PersistentVolume>, node: NodeState): string | undefined {
  if (!isReachable(volume, node.node)) return conflict;
  for (const label of zoneLabels) {
    const zones = volume.metadata?.labels?.[label];
    const own = node.labels[label];
    if (zones !== undefined && (own === undefined || !zones.split(zonesSeparator).includes(own)))
      return 'node(s) had no available volume zone';
  }
  return undefined;
}

/** Whether a volume can be made where the node is. */
function isMadeFor({ provisioner, allowedTopologies }: Readonly<StorageClass>, node: NodeState): boolean {
  if (provisioner === noProvisioner) return false;
  if (!allowedTopologies || allowedTopologies.length === 0) return true;
  return allowedTopologies.some(({ matchLabelExpressions = [] }) =>
    matchLabelExpressions.every(({ key, values }) => values.includes(node.labels[key] ?? '')),
  );
}

/** Resolves when the claim is bound; rejects when it is gone, or the signal aborts. */
async function bindFor(
  claim: Readonly<PersistentVolumeClaim>,
  node: string,
  { known, registry, signal }: { known: Volumes; registry: Registry; signal: AbortSignal },
): Promise<void> {
  const { namespace = '', name, uid } = storedMeta(claim);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onAbort = () => reject(new Error(`claim ${namespace}/${name} was not bound in time`));
  signal.addEventListener('abort', onAbort, { once: true });
  using _following = known.claims.onChange(({ type, object }) => {
    if (object.metadata?.uid !== uid) return;
    if (type === 'deleted') reject(new Error(`claim ${namespace}/${name} is gone`));
    else if (isBound(object)) resolve();
  });
  try {
    await registry.mutate(persistentVolumeClaimKind, { namespace, name }, (draft) => {
      if (draft.metadata?.uid !== uid) return;
      draft.metadata.annotations = { ...draft.metadata.annotations, [selectedNodeAnnotation]: node };
    });
    if (signal.aborted) onAbort();
    await promise;
  } finally {
    promise.catch(() => {});
    signal.removeEventListener('abort', onAbort);
  }
}
