import type { Clock } from '../../lib/clock.ts';
import type { Pod } from '../../protocol/generated/models.ts';
import { podKind } from '../../protocol/kinds/pod.ts';
import { storedMeta, timestamp } from '../../protocol/kinds/stored-object.ts';
import { isStatus } from '../../protocol/status.ts';
import type { EventRecorder } from '../registry/event-recorder.ts';
import type { Registry } from '../registry/registry.ts';
import type { PodRequest } from './pod-request.ts';
import type { Preemption } from './preemption.ts';

/** Deletes the victims with their grace, each told why, and notes on the pod where it shall go. */
export async function evictVictims(
  { registry, events, clock }: { registry: Registry; events: EventRecorder; clock: Clock },
  pod: PodRequest,
  { node, victims }: Preemption,
): Promise<void> {
  const { namespace = '', name } = storedMeta(pod.pod);
  const nominate = (draft: Pod) => {
    if (draft.metadata?.uid === pod.uid) draft.status = { ...draft.status, nominatedNodeName: node.name };
  };
  await ignoringGone(registry.mutate(podKind, { namespace, name }, nominate, { subresource: 'status' }));
  await Promise.all(
    victims
      .filter(({ isTerminating }) => !isTerminating)
      .map(async (victim) => {
        const at = { namespace: victim.namespace, name: storedMeta(victim.pod).name };
        const message = `${pod.pod.spec?.schedulerName ?? 'default-scheduler'}: preempting to accommodate a higher priority pod`;
        const disrupt = (draft: Pod) => {
          if (draft.metadata?.uid !== victim.uid) return;
          const others = (draft.status?.conditions ?? []).filter(({ type }) => type !== 'DisruptionTarget');
          const condition = {
            type: 'DisruptionTarget',
            status: 'True',
            reason: 'PreemptionByScheduler',
            message,
            lastTransitionTime: timestamp(clock.now()),
          };
          draft.status = { ...draft.status, conditions: [...others, condition] };
        };
        await ignoringGone(registry.mutate(podKind, at, disrupt, { subresource: 'status' }));
        await ignoringGone(registry.delete(podKind, at, { preconditions: { uid: victim.uid } }));
        events.record(podKind, victim.pod, {
          type: 'Normal',
          reason: 'Preempted',
          message: `Preempted by pod ${pod.uid} on node ${node.name}`,
        });
      }),
  );
}

async function ignoringGone(write: Promise<unknown>): Promise<void> {
  await write.catch((error: unknown) => {
    if (!isStatus(error, 'NotFound') && !isStatus(error, 'Conflict')) throw error;
  });
}
