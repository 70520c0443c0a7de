import type { Pod, StatefulSet, StatefulSetStatus } from '../../../protocol/generated/models.ts';
import { isPodAvailable, isPodReady } from '../pod-state.ts';
import { revisionOf } from './ordinals.ts';

/** Names of ControllerRevisions: that which all pods have been brought to, and that which they shall be. */
export interface RevisionNames {
  current: string;
  update: string;
}

/** What `kubectl rollout status` reads. Pure. An update is over when every pod is of it and ready. */
export function statefulSetStatus(
  set: Readonly<StatefulSet>,
  { pods, revisions, nowMs }: { pods: readonly Readonly<Pod>[]; revisions: RevisionNames; nowMs: number },
): StatefulSetStatus {
  const wanted = set.spec?.replicas ?? 1;
  const minReadySeconds = set.spec?.minReadySeconds ?? 0;
  const running = pods.filter(({ status }) => status?.phase === 'Running');
  const staying = pods.filter(({ metadata }) => metadata?.deletionTimestamp === undefined);
  const ofRevision = (name: string) => staying.filter((pod) => revisionOf(pod) === name).length;
  const readyReplicas = running.filter(isPodReady).length;
  const updatedReplicas = ofRevision(revisions.update);
  const isOver =
    set.spec?.updateStrategy?.type !== 'OnDelete' &&
    [updatedReplicas, readyReplicas, pods.length].every((count) => count === wanted);
  const { collisionCount, conditions } = set.status ?? {};
  return {
    observedGeneration: set.metadata?.generation ?? 0,
    replicas: pods.length,
    readyReplicas,
    availableReplicas: running.filter((pod) => isPodAvailable(pod, minReadySeconds, nowMs)).length,
    currentReplicas: isOver ? updatedReplicas : ofRevision(revisions.current),
    updatedReplicas,
    currentRevision: isOver ? revisions.update : revisions.current,
    updateRevision: revisions.update,
    collisionCount: collisionCount ?? 0,
    ...(conditions ? { conditions } : {}),
  };
}
