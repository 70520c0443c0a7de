import type { Deployment, ReplicaSet } from '../../../protocol/generated/models.ts';
import { storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { canonicalTemplate } from '../template-hash.ts';
import { isInStep, revisionOf } from './new-set.ts';
import {
  type DeploymentGate,
  type DeploymentRules,
  type DeploymentSets,
  deploymentGate,
} from './rollout-gate.ts';
import {
  type Bounds,
  boundsOf,
  capNewest,
  createdAt,
  isObserved,
  isResized,
  newSetReplicas,
  planResize,
  planRollingUpdate,
  type ScaleChanges,
  wantedReplicas,
} from './scaling.ts';
import { countReplicas, isComplete } from './status.ts';

/**
 * What to do for one Deployment, given the ReplicaSets it controls. Pure. Rules: a paused Deployment makes no new
 * ReplicaSet and moves no pods from one to another, but follows a resize; Recreate has no new pod before the last
 * old one is gone; nothing happens while the Deployment is being deleted.
 */
export type DeploymentStep =
  | { type: 'createSet'; replicas: number; revision: number }
  /** Gives the newest set its Deployment's annotations, minReadySeconds and revision. */
  | { type: 'syncSet'; set: Readonly<ReplicaSet>; revision: number }
  | { type: 'scale'; set: Readonly<ReplicaSet>; replicas: number }
  | { type: 'deleteSet'; set: Readonly<ReplicaSet> };

export interface DeploymentPlan {
  newSet: Readonly<ReplicaSet> | undefined;
  oldSets: readonly Readonly<ReplicaSet>[];
  steps: DeploymentStep[];
  gate: DeploymentGate;
}

/** `rules`: whose policy says what may be updated; 'held' when that policy cannot be had. */
export function planDeployment(
  deployment: Readonly<Deployment>,
  sets: readonly Readonly<ReplicaSet>[],
  rules?: DeploymentRules | 'held',
): DeploymentPlan {
  const newSet = findNewSet(deployment, sets);
  const oldSets = sets.filter((set) => set !== newSet);
  const gate = deploymentGate(deployment, { newSet, oldSets }, rules);
  return { newSet, oldSets, steps: stepsFor(deployment, { newSet, oldSets }, gate), gate };
}

/** The set whose template is the Deployment's; the oldest when there are several, so that all observers agree. */
function findNewSet(
  deployment: Readonly<Deployment>,
  sets: readonly Readonly<ReplicaSet>[],
): Readonly<ReplicaSet> | undefined {
  if (!deployment.spec) return undefined;
  const template = canonicalTemplate(deployment.spec.template);
  return sets
    .toSorted((a, b) => createdAt(a) - createdAt(b))
    .find((set) => set.spec?.template && canonicalTemplate(set.spec.template) === template);
}

function stepsFor(
  deployment: Readonly<Deployment>,
  { newSet, oldSets }: DeploymentSets,
  { newestMax, removable }: DeploymentGate,
): DeploymentStep[] {
  if (deployment.metadata?.deletionTimestamp !== undefined) return [];
  const bounds = boundsOf(deployment);
  const sets = newSet ? [newSet, ...oldSets] : oldSets;
  const revision = Math.max(0, ...oldSets.map(revisionOf)) + 1;
  const sync: DeploymentStep[] =
    newSet && !isInStep(deployment, newSet, revision) ? [{ type: 'syncSet', set: newSet, revision }] : [];
  if (deployment.spec?.paused) {
    return [
      ...sync,
      ...resizeSteps(bounds, { newSet, oldSets }, newestMax),
      ...historySteps(deployment, oldSets),
    ];
  }
  if (isResized(bounds, sets)) return [...sync, ...resizeSteps(bounds, { newSet, oldSets }, newestMax)];
  if (deployment.spec?.strategy?.type === 'Recreate' && oldSets.some(mayHavePods)) {
    if (newestMax < bounds.replicas) return sync;
    return [...sync, ...scaleSteps(oldSets, new Map(oldSets.map((set) => [storedMeta(set).uid, 0])))];
  }
  if (!newSet) {
    const replicas = Math.min(newSetReplicas(bounds, 0, oldSets), newestMax);
    return [{ type: 'createSet', replicas, revision }];
  }
  const scaling = scaleSteps(sets, planRollingUpdate(bounds, { newSet, oldSets, newestMax, removable }));
  const complete = isComplete(deployment, countReplicas(deployment, { newSet, oldSets }));
  return [...sync, ...scaling, ...(complete ? historySteps(deployment, oldSets) : [])];
}

/** Also writes the sets that keep their count, so that each remembers the new size and the resize is seen once. */
function resizeSteps(
  bounds: Bounds,
  { newSet, oldSets }: DeploymentSets,
  newestMax: number,
): DeploymentStep[] {
  const capped = { oldSets, newestMax, ...(newSet ? { newSet } : {}) };
  const changes = capNewest(planResize(bounds, newSet, oldSets), capped);
  return (newSet ? [newSet, ...oldSets] : oldSets).flatMap((set) => {
    const replicas = changes.get(storedMeta(set).uid) ?? wantedReplicas(set);
    const changed = replicas !== wantedReplicas(set) || isResized(bounds, [set]);
    return changed ? [{ type: 'scale', set, replicas } as const] : [];
  });
}

function scaleSteps(sets: readonly Readonly<ReplicaSet>[], changes: ScaleChanges): DeploymentStep[] {
  return sets.flatMap((set) => {
    const replicas = changes.get(storedMeta(set).uid);
    return replicas === undefined || replicas === wantedReplicas(set)
      ? []
      : [{ type: 'scale', set, replicas } as const];
  });
}

/** Of the oldest revisions beyond revisionHistoryLimit those that hold nothing any more. */
function historySteps(
  deployment: Readonly<Deployment>,
  oldSets: readonly Readonly<ReplicaSet>[],
): DeploymentStep[] {
  const limit = deployment.spec?.revisionHistoryLimit ?? 10;
  const alive = oldSets.filter((set) => set.metadata?.deletionTimestamp === undefined);
  return alive
    .toSorted((a, b) => revisionOf(a) - revisionOf(b))
    .slice(0, Math.max(0, alive.length - limit))
    .filter((set) => !mayHavePods(set))
    .map((set) => ({ type: 'deleteSet', set }));
}

/** Unless the set's controller has seen its present size and counted nothing, there may be pods. */
function mayHavePods(set: Readonly<ReplicaSet>): boolean {
  const { replicas = 0, terminatingReplicas = 0 } = set.status ?? {};
  return !isObserved(set) || wantedReplicas(set) > 0 || replicas > 0 || terminatingReplicas > 0;
}
