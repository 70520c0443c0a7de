import type { Pod } from '../../../protocol/generated/models.ts';
import type { NodeFit } from './node-fit.ts';

/** A node that shall run the pod or has one. */
export interface NodeRecord {
  name: string;
  fit: NodeFit;
  labels: Readonly<Record<string, string>>;
  silent: boolean;
  /** Since when, milliseconds since 1970; undefined when it is heard. */
  silentSinceMs: number | undefined;
  /** The oldest first, bound ones before others. */
  pods: readonly Readonly<Pod>[];
}

/** What the decisions about single pods read. */
export interface PodJudge {
  isUpdated: (pod: Readonly<Pod>) => boolean;
  isAvailable: (pod: Readonly<Pod>) => boolean;
}

export function isGoing(pod: Readonly<Pod>): boolean {
  return pod.metadata?.deletionTimestamp !== undefined;
}

/** The newest pod was taken by the device, which fell silent before it was available. */
export function failedSilently({ silent, pods }: NodeRecord, judge: PodJudge): boolean {
  if (!silent) return false;
  return pods.some(
    (pod) =>
      !isGoing(pod) && judge.isUpdated(pod) && pod.status?.startTime !== undefined && !judge.isAvailable(pod),
  );
}
