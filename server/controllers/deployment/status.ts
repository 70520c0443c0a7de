import type {
  Deployment,
  DeploymentCondition,
  DeploymentStatus,
  ReplicaSet,
} from '../../../protocol/generated/models.ts';
import { storedMeta, timestamp } from '../../../protocol/kinds/stored-object.ts';
import { boundsOf } from './scaling.ts';

export interface StatusFacts {
  newSet: Readonly<ReplicaSet> | undefined;
  oldSets: readonly Readonly<ReplicaSet>[];
  /** A new set was made or found in this round. */
  setEvent: { reason: 'NewReplicaSetCreated' | 'FoundNewReplicaSet'; name: string } | undefined;
  collisionCount: number | undefined;
  nowMs: number;
}

/** The Deployment's next status, with the conditions that `kubectl rollout status` reads. */
export function deploymentStatus(deployment: Readonly<Deployment>, facts: StatusFacts): DeploymentStatus {
  const sets = facts.newSet ? [facts.newSet, ...facts.oldSets] : facts.oldSets;
  const sum = (pick: (set: Readonly<ReplicaSet>) => number | undefined) =>
    sets.reduce((count, set) => count + (pick(set) ?? 0), 0);
  const replicas = sum((set) => set.status?.replicas);
  const availableReplicas = sum((set) => set.status?.availableReplicas);
  const wanted = sum((set) => set.spec?.replicas);
  const status: DeploymentStatus = {
    observedGeneration: deployment.metadata?.generation ?? 0,
    replicas,
    updatedReplicas: facts.newSet?.status?.replicas ?? 0,
    readyReplicas: sum((set) => set.status?.readyReplicas),
    availableReplicas,
    unavailableReplicas: Math.max(0, wanted - availableReplicas),
    terminatingReplicas: sum((set) => set.status?.terminatingReplicas),
    ...(facts.collisionCount === undefined ? {} : { collisionCount: facts.collisionCount }),
  };
  return { ...status, conditions: conditionsOf(deployment, status, facts) };
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

type Untimed = Omit<DeploymentCondition, 'lastTransitionTime' | 'lastUpdateTime'>;

function conditionsOf(
  deployment: Readonly<Deployment>,
  status: Readonly<DeploymentStatus>,
  facts: StatusFacts,
): DeploymentCondition[] {
  const before = deployment.status?.conditions ?? [];
  const { replicas, maxUnavailable } = boundsOf(deployment);
  const isAvailable = (status.availableReplicas ?? 0) >= replicas - maxUnavailable;
  const failure = facts.newSet?.status?.conditions?.find((condition) => condition.type === 'ReplicaFailure');
  const wanted: (Untimed | undefined)[] = [
    {
      type: 'Available',
      status: isAvailable ? 'True' : 'False',
      reason: isAvailable ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable',
      message: isAvailable
        ? 'Deployment has minimum availability.'
        : 'Deployment does not have minimum availability.',
    },
    progressing(deployment, status, facts),
    failure && {
      type: 'ReplicaFailure',
      status: 'True',
      reason: failure.reason ?? '',
      message: failure.message ?? '',
    },
  ];
  const now = timestamp(facts.nowMs);
  return wanted.flatMap((condition): DeploymentCondition[] => {
    if (!condition) return [];
    const old = before.find((entry) => entry.type === condition.type);
    const moved = condition.type === 'Progressing' && progressed(deployment.status, status);
    if (old && !moved && old.status === condition.status && old.reason === condition.reason) {
      return [{ ...old, message: condition.message ?? '' }];
    }
    const lastTransitionTime = old?.status === condition.status ? (old.lastTransitionTime ?? now) : now;
    return [{ ...condition, lastTransitionTime, lastUpdateTime: now }];
  });
}

function progressing(
  deployment: Readonly<Deployment>,
  status: Readonly<DeploymentStatus>,
  facts: StatusFacts,
): Untimed | undefined {
  const deadlineSeconds = deployment.spec?.progressDeadlineSeconds;
  if (deadlineSeconds === undefined) return undefined;
  const condition = (value: string, reason: string, message: string) => ({
    type: 'Progressing',
    status: value,
    reason,
    message,
  });
  const name = facts.newSet ? storedMeta(facts.newSet).name : storedMeta(deployment).name;
  const subject = facts.newSet ? `ReplicaSet "${name}"` : `Deployment "${name}"`;
  const before = deployment.status?.conditions?.find((entry) => entry.type === 'Progressing');
  if (deployment.spec?.paused) return condition('Unknown', 'DeploymentPaused', 'Deployment is paused');
  if (before?.reason === 'DeploymentPaused')
    return condition('Unknown', 'DeploymentResumed', 'Deployment is resumed');
  if (facts.setEvent) {
    const verb = facts.setEvent.reason === 'NewReplicaSetCreated' ? 'Created new' : 'Found new';
    return condition('True', facts.setEvent.reason, `${verb} replica set "${facts.setEvent.name}"`);
  }
  if (isComplete(deployment, status)) {
    return condition('True', 'NewReplicaSetAvailable', `${subject} has successfully progressed.`);
  }
  // A finished rollout whose pods fail later is not a rollout that hangs.
  if (before?.reason === 'NewReplicaSetAvailable' && !progressed(deployment.status, status))
    return stripTimes(before);
  if (progressed(deployment.status, status))
    return condition('True', 'ReplicaSetUpdated', `${subject} is progressing.`);
  const deadline = deadlineMs(deployment);
  if (deadline !== undefined && facts.nowMs >= deadline) {
    return condition('False', 'ProgressDeadlineExceeded', `${subject} has timed out progressing.`);
  }
  return before ? stripTimes(before) : condition('True', 'ReplicaSetUpdated', `${subject} is progressing.`);
}

/** When the rollout counts as stuck, milliseconds since 1970; undefined while nothing is under way. */
export function deadlineMs(deployment: Readonly<Deployment>): number | undefined {
  const seconds = deployment.spec?.progressDeadlineSeconds;
  const progress = deployment.status?.conditions?.find((entry) => entry.type === 'Progressing');
  if (seconds === undefined || !progress?.lastUpdateTime || progress.status === 'False') return undefined;
  if (progress.reason === 'NewReplicaSetAvailable' || deployment.spec?.paused) return undefined;
  return Date.parse(progress.lastUpdateTime) + seconds * 1000;
}

function progressed(
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

function stripTimes(condition: DeploymentCondition): Untimed | undefined {
  const { lastTransitionTime: _transition, lastUpdateTime: _update, ...rest } = condition;
  return rest;
}
