import type { KindDefinition, KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import {
  type RolloutPolicy,
  rolloutPolicyKind,
  type WorkloadRollout,
} from '../../../protocol/kinds/rollout-policy.ts';
import type { EventRecorder } from '../../registry/event-recorder.ts';

interface Telling<O extends KubernetesObject> {
  kind: KindDefinition<O>;
  owner: Readonly<O>;
  policy: Readonly<RolloutPolicy>;
  before: Readonly<WorkloadRollout> | undefined;
  rollout: Readonly<WorkloadRollout>;
}

const warnings: readonly string[] = ['Failed', 'RollingBack', 'RolledBack'];

/** An event on the workload and on its policy, when a rollout comes to another phase, batch or reason to wait. */
export function tellProgress<O extends KubernetesObject>(events: EventRecorder, telling: Telling<O>): void {
  const { kind, owner, policy, before, rollout } = telling;
  const news = (of: Readonly<WorkloadRollout> | undefined) =>
    [of?.revision, of?.phase, of?.batch, of?.reason].join();
  if (news(before) === news(rollout)) return;
  const type = warnings.includes(rollout.phase) ? 'Warning' : 'Normal';
  const reason = rollout.phase === 'Progressing' ? `Rollout${rollout.reason}` : `Rollout${rollout.phase}`;
  const message = `revision ${rollout.revision}: ${rollout.message}`;
  events.record(kind, owner, { type, reason, message });
  events.record(rolloutPolicyKind, policy, {
    type,
    reason,
    message: `${rollout.kind.toLowerCase()}/${rollout.name}: ${message}`,
  });
}
