import type { Clock } from '../../lib/clock.ts';
import type { Pod } from '../../protocol/generated/models.ts';
import { podKind } from '../../protocol/kinds/pod.ts';
import { storedMeta, timestamp } from '../../protocol/kinds/stored-object.ts';
import { isStatus } from '../../protocol/status.ts';
import type { EventRecorder } from '../registry/event-recorder.ts';
import type { Registry } from '../registry/registry.ts';

/** Why a pod is not placed. */
export interface Unplaced {
  reason: 'Unschedulable' | 'SchedulingGated';
  message: string;
}

export function unschedulable(message: string): Unplaced {
  return { reason: 'Unschedulable', message };
}

/** In Kubernetes' words. */
export const gated: Unplaced = {
  reason: 'SchedulingGated',
  message: 'Scheduling is blocked due to non-empty scheduling gates',
};

/** Says on the pod, and in an Event if it fits nowhere, why it waits; does nothing when the pod says so already. */
export async function reportUnschedulable(
  { registry, events, clock }: { registry: Registry; events: EventRecorder; clock: Clock },
  pod: Readonly<Pod>,
  { reason, message }: Unplaced,
): Promise<void> {
  const { namespace = '', name, uid } = storedMeta(pod);
  const before = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
  if (before?.status === 'False' && before.message === message) return;
  if (reason === 'Unschedulable')
    events.record(podKind, pod, { type: 'Warning', reason: 'FailedScheduling', message });
  const since = before?.status === 'False' ? before.lastTransitionTime : undefined;
  const condition = {
    type: 'PodScheduled',
    status: 'False',
    reason,
    message,
    lastTransitionTime: since ?? timestamp(clock.now()),
  };
  const change = (draft: Pod) => {
    if (draft.metadata?.uid !== uid || draft.spec?.nodeName) return;
    const others = (draft.status?.conditions ?? []).filter(({ type }) => type !== 'PodScheduled');
    draft.status = { ...draft.status, conditions: [...others, condition] };
  };
  try {
    await registry.mutate(podKind, { namespace, name }, change, { subresource: 'status' });
  } catch (error) {
    if (!isStatus(error, 'NotFound')) throw error;
  }
}
