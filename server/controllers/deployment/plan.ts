import type { Deployment, ReplicaSet } from '../../../protocol/generated/models.ts';
import { storedMeta } from '../../../protocol/kinds/stored-object.ts';
import {
  type Bounds,
  boundsOf,
  createdAt,
  isResized,
  newSetReplicas,
  planResize,
  planRollingUpdate,
  type ScaleChanges,
  wantedReplicas,
} from './scaling.ts';
import { canonicalTemplate } from './template-hash.ts';

export const revisionAnnotation = 'deployment.kubernetes.io/revision';

/**
 * What to do for one Deployment, given the ReplicaSets it controls. Pure.
 * Rules: a paused Deployment makes no new ReplicaSet and moves no pods from one to another, but follows a resize; Recreate has no
 * new pod before the last old one is gone; nothing happens while the Deployment is being deleted.
 */
export type DeploymentStep =
  | { type: 'createSet'; replicas: number; revision: number }
  | { type: 'setRevision'; set: Readonly<ReplicaSet>; revision: number }
  | { type: 'scale'; set: Readonly<ReplicaSet>; replicas: number }
  | { type: 'deleteSet'; set: Readonly<ReplicaSet> };

export interface DeploymentPlan {
  newSet: Readonly<ReplicaSet> | undefined;
  oldSets: readonly Readonly<ReplicaSet>[];
  steps: DeploymentStep[];
}

export function planDeployment(
  deployment: Readonly<Deployment>,
  sets: readonly Readonly<ReplicaSet>[],
): DeploymentPlan {
  const newSet = findNewSet(deployment, sets);
  const oldSets = sets.filter((set) => set !== newSet);
  return { newSet, oldSets, steps: stepsFor(deployment, newSet, oldSets) };
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
  newSet: Readonly<ReplicaSet> | undefined,
  oldSets: readonly Readonly<ReplicaSet>[],
): DeploymentStep[] {
  if (deployment.metadata?.deletionTimestamp !== undefined) return [];
  const bounds = boundsOf(deployment);
  const sets = newSet ? [newSet, ...oldSets] : oldSets;
  if (deployment.spec?.paused || isResized(bounds, sets)) return resizeSteps(bounds, newSet, oldSets);
  const history = historySteps(deployment, oldSets);
  const revision = Math.max(0, ...oldSets.map(revisionOf)) + 1;
  if (deployment.spec?.strategy?.type === 'Recreate' && oldSets.some(hasPods)) {
    return scaleSteps(oldSets, new Map(oldSets.map((set) => [storedMeta(set).uid, 0])));
  }
  if (!newSet)
    return [{ type: 'createSet', replicas: newSetReplicas(bounds, 0, oldSets), revision }, ...history];
  const renumber: DeploymentStep[] =
    revisionOf(newSet) < revision ? [{ type: 'setRevision', set: newSet, revision }] : [];
  return [...renumber, ...scaleSteps(sets, planRollingUpdate(bounds, newSet, oldSets)), ...history];
}

/** Also writes the sets that keep their count, so that each remembers the new size and the resize is seen once. */
function resizeSteps(
  bounds: Bounds,
  newSet: Readonly<ReplicaSet> | undefined,
  oldSets: readonly Readonly<ReplicaSet>[],
): DeploymentStep[] {
  const changes = planResize(bounds, newSet, oldSets);
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

/** Old sets beyond revisionHistoryLimit that hold nothing any more, oldest revision first. */
function historySteps(
  deployment: Readonly<Deployment>,
  oldSets: readonly Readonly<ReplicaSet>[],
): DeploymentStep[] {
  const limit = deployment.spec?.revisionHistoryLimit ?? 10;
  const empty = oldSets
    .filter((set) => set.metadata?.deletionTimestamp === undefined && !hasPods(set) && isObserved(set))
    .toSorted((a, b) => revisionOf(a) - revisionOf(b));
  return empty.slice(0, Math.max(0, oldSets.length - limit)).map((set) => ({ type: 'deleteSet', set }));
}

function hasPods(set: Readonly<ReplicaSet>): boolean {
  return (
    wantedReplicas(set) > 0 || (set.status?.replicas ?? 0) > 0 || (set.status?.terminatingReplicas ?? 0) > 0
  );
}

function isObserved(set: Readonly<ReplicaSet>): boolean {
  return (set.status?.observedGeneration ?? 0) >= (set.metadata?.generation ?? 0);
}

export function revisionOf(object: Readonly<ReplicaSet | Deployment>): number {
  const revision = Number(object.metadata?.annotations?.[revisionAnnotation] ?? 0);
  return Number.isSafeInteger(revision) ? revision : 0;
}
