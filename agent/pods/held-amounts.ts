import type { Pod } from '../../protocol/generated/models.ts';
import { containersOf, isOver } from './container-view.ts';
import type { PodRecord, Reserved } from './pod-record.ts';
import { initialState } from './pod-state.ts';

/**
 * What admitted pods hold of the node. One that has ended takes no room, but its sandbox still holds its ports until it
 * is stopped.
 */
export function heldAmounts(
  all: readonly PodRecord[],
  desired: (uid: string) => Pod | undefined,
): { admitted: Reserved[]; hostPorts: string[] } {
  const records = all.filter(({ refused }) => !refused);
  const now = { wallMs: 0, monotonicMs: 0 };
  const holding = records.filter((record) => {
    const pod = desired(record.uid);
    return !pod || !isOver(initialState(record, now), containersOf(pod.spec));
  });
  return {
    admitted: holding.map(({ reserved }) => reserved),
    hostPorts: records.flatMap(({ reserved, sandboxStopped }) => (sandboxStopped ? [] : reserved.hostPorts)),
  };
}
