import type { Condition } from '../../../protocol/generated/models.ts';
import type {
  RolloutPhase,
  RolloutPolicy,
  RolloutPolicyStatus,
  WorkloadRollout,
} from '../../../protocol/kinds/rollout-policy.ts';
import { timestamp } from '../../../protocol/kinds/stored-object.ts';

/** Those that need a person first. */
const phases: readonly RolloutPhase[] = [
  'Failed',
  'Paused',
  'RollingBack',
  'Progressing',
  'RolledBack',
  'Complete',
];
const underWay: readonly RolloutPhase[] = ['RollingBack', 'Progressing'];
const bad: readonly RolloutPhase[] = ['Failed', 'RollingBack', 'RolledBack'];

/** The status of a policy, given those of its workloads. Pure. */
export function summarize(
  policy: Readonly<RolloutPolicy>,
  rollouts: readonly WorkloadRollout[],
  nowMs: number,
): RolloutPolicyStatus {
  const phase = phases.find((one) => rollouts.some((rollout) => rollout.phase === one));
  const ordered = rollouts.toSorted((a, b) => (`${a.kind}/${a.name}` < `${b.kind}/${b.name}` ? -1 : 1));
  const condition = (type: string, of: readonly RolloutPhase[], otherwise: string): Condition => {
    const rollout = of.flatMap((one) => ordered.filter((entry) => entry.phase === one))[0];
    const status = rollout ? 'True' : 'False';
    const before = policy.status?.conditions?.find((one) => one.type === type);
    return {
      type,
      status,
      reason: rollout?.reason || otherwise,
      message: rollout ? `${rollout.kind.toLowerCase()}/${rollout.name}: ${rollout.message}` : '',
      observedGeneration: policy.metadata?.generation ?? 0,
      lastTransitionTime: before?.status === status ? before.lastTransitionTime : timestamp(nowMs),
    };
  };
  return {
    observedGeneration: policy.metadata?.generation ?? 0,
    ...(phase ? { phase } : {}),
    rollouts: ordered,
    conditions: [
      condition('Progressing', underWay, 'NothingUnderWay'),
      condition('Degraded', bad, 'NothingFailed'),
    ],
  };
}
