import type {
  Deployment,
  DeploymentCondition,
  DeploymentStatus,
  ReplicaSet,
} from '../../../protocol/generated/models.ts';
import type { WorkloadRollout } from '../../../protocol/kinds/rollout-policy.ts';
import { storedMeta, timestamp } from '../../../protocol/kinds/stored-object.ts';
import { boundsOf } from './scaling.ts';

/** The Deployment's status, with the conditions that `kubectl rollout status` reads. Pure. */
export interface StatusFacts {
  newSet: Readonly<ReplicaSet> | undefined;
  oldSets: readonly Readonly<ReplicaSet>[];
  /** A new set was made, found or could not be made in this round. */
  setEvent?: {
    reason: 'NewReplicaSetCreated' | 'FoundNewReplicaSet' | 'ReplicaSetCreateError';
    message: string;
  };
  collisionCount: number;
  nowMs: number;
  /** Of a rollout with a policy. */
  rollout?: WorkloadRollout | undefined;
}

export function deploymentStatus(deployment: Readonly<Deployment>, facts: StatusFacts): DeploymentStatus {
  const counts: DeploymentStatus = {
    ...countReplicas(deployment, facts),
    ...(facts.collisionCount === 0 ? {} : { collisionCount: facts.collisionCount }),
  };
  const conditions = [
    availableCondition(deployment, counts, facts),
    progressingCondition(deployment, counts, facts),
    failureCondition(deployment, facts),
  ];
  return { ...counts, conditions: conditions.filter((condition) => condition !== undefined) };
}

/** What the sets count together. */
export function countReplicas(
  deployment: Readonly<Deployment>,
  { newSet, oldSets }: Pick<StatusFacts, 'newSet' | 'oldSets'>,
): DeploymentStatus {
  const sets = newSet ? [newSet, ...oldSets] : oldSets;
  const sum = (pick: (set: Readonly<ReplicaSet>) => number | undefined) =>
    sets.reduce((count, set) => count + (pick(set) ?? 0), 0);
  const availableReplicas = sum((set) => set.status?.availableReplicas);
  return {
    observedGeneration: deployment.metadata?.generation ?? 0,
    replicas: sum((set) => set.status?.replicas),
    updatedReplicas: newSet?.status?.replicas ?? 0,
    readyReplicas: sum((set) => set.status?.readyReplicas),
    availableReplicas,
    unavailableReplicas: Math.max(0, sum((set) => set.spec?.replicas) - availableReplicas),
    terminatingReplicas: sum((set) => set.status?.terminatingReplicas),
  };
}

/** Every replica is of the newest template, available, and no old one is left. */
export function isComplete(deployment: Readonly<Deployment>, status: Readonly<DeploymentStatus>): boolean {
  const replicas = deployment.spec?.replicas ?? 1;
  return (
    status.updatedReplicas === replicas &&
    status.replicas === replicas &&
    status.availableReplicas === replicas
  );
}

/** When the rollout counts as stuck, milliseconds since 1970; undefined while nothing is under way. */
export function deadlineMs(
  { spec }: Readonly<Deployment>,
  status: Readonly<DeploymentStatus> | undefined,
): number | undefined {
  const progress = status?.conditions?.find((entry) => entry.type === 'Progressing');
  if (spec?.progressDeadlineSeconds === undefined || !progress?.lastUpdateTime) return undefined;
  if (progress.status === 'False' || spec.paused) return undefined;
  if (progress.reason === 'NewReplicaSetAvailable' || progress.reason === heldReason) return undefined;
  return Date.parse(progress.lastUpdateTime) + spec.progressDeadlineSeconds * 1000;
}

/** The policy's own deadline counts then. */
const heldReason = 'RolloutPolicyHolds';

type Untimed = Omit<DeploymentCondition, 'lastTransitionTime' | 'lastUpdateTime'>;

function conditionOf(deployment: Readonly<Deployment>, type: string): DeploymentCondition | undefined {
  return deployment.status?.conditions?.find((entry) => entry.type === type);
}

/** A condition that says the same as before stays as it was, its times and its message included. */
function timed(
  deployment: Readonly<Deployment>,
  condition: Untimed,
  nowMs: number,
  { isNews = false } = {},
): DeploymentCondition {
  const before = conditionOf(deployment, condition.type);
  const same = before?.status === condition.status && before.reason === condition.reason;
  if (before && same && !isNews) return before;
  const now = timestamp(nowMs);
  const lastTransitionTime = before?.status === condition.status ? (before.lastTransitionTime ?? now) : now;
  return { ...condition, lastTransitionTime, lastUpdateTime: now };
}

function availableCondition(
  deployment: Readonly<Deployment>,
  counts: DeploymentStatus,
  { nowMs }: StatusFacts,
): DeploymentCondition {
  const { replicas, maxUnavailable } = boundsOf(deployment);
  const isAvailable = (counts.availableReplicas ?? 0) >= replicas - maxUnavailable;
  const condition: Untimed = isAvailable
    ? {
        type: 'Available',
        status: 'True',
        reason: 'MinimumReplicasAvailable',
        message: 'Deployment has minimum availability.',
      }
    : {
        type: 'Available',
        status: 'False',
        reason: 'MinimumReplicasUnavailable',
        message: 'Deployment does not have minimum availability.',
      };
  return timed(deployment, condition, nowMs);
}

/** What hinders the newest set, or else any other. */
function failureCondition(
  deployment: Readonly<Deployment>,
  { newSet, oldSets, nowMs }: StatusFacts,
): DeploymentCondition | undefined {
  const sets = newSet ? [newSet, ...oldSets] : oldSets;
  const failures = sets.flatMap((set) => set.status?.conditions ?? []);
  const failure = failures.find((condition) => condition.type === 'ReplicaFailure');
  if (!failure) return undefined;
  const { reason = '', message = '' } = failure;
  return timed(deployment, { type: 'ReplicaFailure', status: 'True', reason, message }, nowMs);
}

/** Follows Kubernetes' syncRolloutStatus, checkPausedConditions and getNewReplicaSet. */
function progressingCondition(
  deployment: Readonly<Deployment>,
  counts: Readonly<DeploymentStatus>,
  facts: StatusFacts,
): DeploymentCondition | undefined {
  const { spec, status } = deployment;
  if (spec?.progressDeadlineSeconds === undefined) return undefined;
  const before = conditionOf(deployment, 'Progressing');
  const say = (value: string, reason: string, message: string, options?: { isNews: boolean }) =>
    timed(deployment, { type: 'Progressing', status: value, reason, message }, facts.nowMs, options);
  if (spec.paused) {
    // That it hung is worth more than that it rests.
    if (before?.reason === 'ProgressDeadlineExceeded') return before;
    return say('Unknown', 'DeploymentPaused', 'Deployment is paused');
  }
  if (before?.reason === 'DeploymentPaused')
    return say('Unknown', 'DeploymentResumed', 'Deployment is resumed');
  const { setEvent } = facts;
  if (setEvent) {
    const made = setEvent.reason !== 'ReplicaSetCreateError';
    return say(made ? 'True' : 'False', setEvent.reason, setEvent.message, { isNews: made });
  }
  // A finished rollout whose pods come and go is not a rollout.
  const isOver = before?.reason === 'NewReplicaSetAvailable' && counts.replicas === counts.updatedReplicas;
  if (isOver) return before;
  const subject = facts.newSet
    ? `ReplicaSet "${storedMeta(facts.newSet).name}"`
    : `Deployment "${storedMeta(deployment).name}"`;
  if (isComplete(deployment, counts))
    return say('True', 'NewReplicaSetAvailable', `${subject} has successfully progressed.`);
  const { rollout } = facts;
  if (rollout?.phase === 'Failed')
    return say('False', 'ProgressDeadlineExceeded', `${subject}: ${rollout.message}`);
  if (rollout && rollout.phase !== 'Complete' && rollout.phase !== 'RolledBack')
    return say('True', heldReason, `${subject}: ${rollout.message}`);
  if (hasProgressed(status, counts))
    return say('True', 'ReplicaSetUpdated', `${subject} is progressing.`, { isNews: true });
  const deadline = deadlineMs(deployment, status);
  if (deadline !== undefined && facts.nowMs >= deadline)
    return say('False', 'ProgressDeadlineExceeded', `${subject} has timed out progressing.`);
  return before;
}

function hasProgressed(
  before: Readonly<DeploymentStatus> | undefined,
  after: Readonly<DeploymentStatus>,
): boolean {
  const old = (status: Readonly<DeploymentStatus> | undefined) =>
    (status?.replicas ?? 0) - (status?.updatedReplicas ?? 0);
  return (
    (after.updatedReplicas ?? 0) > (before?.updatedReplicas ?? 0) ||
    old(after) < old(before) ||
    (after.readyReplicas ?? 0) > (before?.readyReplicas ?? 0) ||
    (after.availableReplicas ?? 0) > (before?.availableReplicas ?? 0)
  );
}
