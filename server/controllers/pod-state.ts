import type { Pod, PodCondition } from '../../protocol/generated/models.ts';

/** Facts about one pod that several controllers ask for. */
export function isPodFinished(pod: Readonly<Pod>): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

/** On its way out, but its containers may still run. */
export function isPodTerminating(pod: Readonly<Pod>): boolean {
  return pod.metadata?.deletionTimestamp !== undefined && !isPodFinished(pod);
}

/** Neither finished nor on its way out: the pod counts as one of its owner's replicas. */
export function isPodActive(pod: Readonly<Pod>): boolean {
  return pod.metadata?.deletionTimestamp === undefined && !isPodFinished(pod);
}

export function isPodReady(pod: Readonly<Pod>): boolean {
  return readyCondition(pod)?.status === 'True';
}

/** Ready for at least `minReadySeconds`. */
export function isPodAvailable(pod: Readonly<Pod>, minReadySeconds: number, nowMs: number): boolean {
  // As in Kubernetes, and without a look at a device's clock where none is needed.
  if (minReadySeconds === 0) return isPodReady(pod);
  const since = readySinceMs(pod);
  return since !== undefined && since + minReadySeconds * 1000 <= nowMs;
}

/** Milliseconds since 1970 at which the pod became ready; undefined when it is not. */
export function readySinceMs(pod: Readonly<Pod>): number | undefined {
  const ready = readyCondition(pod);
  if (ready?.status !== 'True') return undefined;
  return ready.lastTransitionTime === undefined ? 0 : Date.parse(ready.lastTransitionTime);
}

function readyCondition({ status }: Readonly<Pod>): PodCondition | undefined {
  return status?.conditions?.find(({ type }) => type === 'Ready');
}

export function restartCount(pod: Readonly<Pod>): number {
  return (pod.status?.containerStatuses ?? []).reduce((sum, status) => sum + status.restartCount, 0);
}
