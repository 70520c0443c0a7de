import type { PersistentVolumeClaim, Pod } from '../../../protocol/generated/models.ts';
import { persistentVolumeClaimKind } from '../../../protocol/kinds/persistent-volume-claim.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import {
  controllerOf,
  controllerReference,
  objectKey,
  splitKey,
  storedMeta,
} from '../../../protocol/kinds/stored-object.ts';
import { isStatus } from '../../../protocol/status.ts';
import { defineController } from '../define-controller.ts';
import { isNamespaceEnding } from '../expected-failures.ts';

/** Makes the claims of pods' ephemeral volumes; they belong to the pod and go with it. */
export const ephemeralClaimController = defineController({
  name: 'ephemeral-volume',
  workers: 2,
  setup({ registry, cache, follow, events }, enqueue) {
    const pods = cache.informer(podKind);
    const claims = cache.informer(persistentVolumeClaimKind);
    const hasOne = ({ spec }: Readonly<Pod>) => (spec?.volumes ?? []).some(({ ephemeral }) => ephemeral);
    follow(pods, ({ type, object }) => {
      if (type === 'added' && hasOne(object)) enqueue(objectKey(object));
    });
    follow(claims, ({ type, object }) => {
      const owner = type === 'deleted' ? controllerOf(object) : undefined;
      const pod = owner?.kind === 'Pod' ? pods.getByUid(owner.uid) : undefined;
      if (pod) enqueue(objectKey(pod));
    });
    return async (key) => {
      const { namespace, name } = splitKey(key);
      const pod = pods.get(namespace, name);
      if (!pod || pod.metadata?.deletionTimestamp !== undefined) return;
      for (const claim of wantedClaims(pod)) {
        const known = claims.get(namespace, claim.metadata?.name ?? '');
        if (known && controllerOf(known)?.uid === storedMeta(pod).uid) continue;
        if (known) {
          const message = `PVC ${objectKey(known)} was not created for pod ${key} (pod is not owner)`;
          const source = { component: 'ephemeral_volume' };
          events.record(podKind, pod, {
            type: 'Warning',
            reason: 'EphemeralVolumeCreationFailed',
            message,
            source,
          });
          continue;
        }
        await registry.create(persistentVolumeClaimKind, claim).catch((error: unknown) => {
          if (!isStatus(error, 'AlreadyExists') && !isNamespaceEnding(error)) throw error;
        });
      }
    };
  },
});

function wantedClaims(pod: Readonly<Pod>): PersistentVolumeClaim[] {
  const { namespace = '', name: podName } = storedMeta(pod);
  return (pod.spec?.volumes ?? []).flatMap(({ name, ephemeral }) => {
    const template = ephemeral?.volumeClaimTemplate;
    if (!template) return [];
    const { labels = {}, annotations = {} } = template.metadata ?? {};
    const ownerReferences = [controllerReference(podKind, pod)];
    const metadata = { namespace, name: `${podName}-${name}`, labels, annotations, ownerReferences };
    return [{ metadata, spec: structuredClone(template.spec) }];
  });
}
