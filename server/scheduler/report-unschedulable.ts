import type { Clock } from '../../lib/clock.ts';
import type { Pod } from '../../protocol/generated/models.ts';
import { podKind } from '../../protocol/kinds/pod.ts';
import { storedMeta, timestamp } from '../../protocol/kinds/stored-object.ts';
import { isStatus } from '../../protocol/status.ts';
import type { EventRecorder } from '../registry/event-recorder.ts';
import type { Registry } from '../registry/registry.ts';

/** Says on the pod, and in an Event, why it fits nowhere; does nothing when the pod says so already. */
export async function reportUnschedulable(
  { registry, events, clock }: { registry: Registry; events: EventRecorder; clock: Clock },
  pod: Readonly<Pod>,
  message: string,
): Promise<void> {
  const { namespace = '', name, uid } = storedMeta(pod);
  const before = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
  if (before?.status === 'False' && before.message === message) return;
  events.record(podKind, pod, { type: 'Warning', reason: 'FailedScheduling', message });
  const since = before?.status === 'False' ? before.lastTransitionTime : undefined;
  const condition = {
    type: 'PodScheduled',
    status: 'False',
    reason: 'Unschedulable',
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
