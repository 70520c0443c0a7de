import type {
  PersistentVolumeClaim,
  Pod,
  StatefulSet,
  StatefulSetStatus,
} from '../../../protocol/generated/models.ts';
import type { OwnerReference } from '../../../protocol/kinds/define-kind.ts';
import { resolveIntOrPercent } from '../../../protocol/kinds/int-or-percent.ts';
import { isPodAvailable, isPodFinished } from '../pod-state.ts';
import { nextAvailability } from '../replica-set/plan.ts';
import { isStaleClaim, ownersDiffer, wantedOwners } from './claim-retention.ts';
import { claimNames, hasIdentity, ordinalOf, ordinalsOf, revisionOf } from './ordinals.ts';
import { type RevisionNames, statefulSetStatus } from './status.ts';

/**
 * What to do for one StatefulSet, given its pods and claims. Pure. Rules: never a second pod for an ordinal while one is
 * there, however long it takes to go; in order, a pod is made when all before it are available, and one is taken away
 * when all that stay are; an update goes from the highest ordinal down, keeps those below the partition, and makes no
 * more pods unavailable than it may; nothing is done for a set that is being deleted.
 */
export type StatefulSetStep =
  | { type: 'create'; ordinal: number; revision: string }
  | { type: 'createClaims'; ordinal: number }
  | { type: 'remove'; pod: Readonly<Pod>; why: 'failed' | 'succeeded' | 'scaled' | 'updated' }
  | { type: 'identify'; pod: Readonly<Pod>; ordinal: number }
  | { type: 'ownClaim'; claim: Readonly<PersistentVolumeClaim>; owners: OwnerReference[] };

export interface StatefulSetPlan {
  steps: StatefulSetStep[];
  status: StatefulSetStatus;
  /** When the plan changes by time alone. */
  wakeAfterMs: number | undefined;
}

export interface StatefulSetFacts {
  /** That the set controls and whose names are of its ordinals. */
  pods: readonly Readonly<Pod>[];
  revisions: RevisionNames;
  claimNamed: (name: string) => Readonly<PersistentVolumeClaim> | undefined;
  nowMs: number;
}

export function planStatefulSet(set: Readonly<StatefulSet>, facts: StatefulSetFacts): StatefulSetPlan {
  const status = statefulSetStatus(set, facts);
  const wakeAfterMs = nextAvailability(facts.pods, set.spec?.minReadySeconds ?? 0, facts.nowMs);
  if (set.metadata?.deletionTimestamp !== undefined) return { steps: [], status, wakeAfterMs };
  return { steps: [...claimSteps(set, facts), ...podSteps(set, facts)], status, wakeAfterMs };
}

function podSteps(set: Readonly<StatefulSet>, facts: StatefulSetFacts): StatefulSetStep[] {
  const { start, count } = ordinalsOf(set);
  const byOrdinal = new Map(facts.pods.map((pod) => [ordinalOf(set, pod) ?? -1, pod]));
  const isOrdered = set.spec?.podManagementPolicy !== 'Parallel';
  const wanted = Array.from({ length: count }, (_, index) => start + index);
  const condemned = [...byOrdinal.keys()]
    .filter((ordinal) => ordinal < start || ordinal >= start + count)
    .sort((a, b) => b - a)
    .flatMap((ordinal) => byOrdinal.get(ordinal) ?? []);
  const isAvailable = (pod: Readonly<Pod>) => isHealthy(pod, set.spec?.minReadySeconds ?? 0, facts.nowMs);
  const steps: StatefulSetStep[] = [];
  for (const ordinal of wanted) {
    const { step, waits } = replicaStep(set, facts, ordinal, byOrdinal.get(ordinal), isAvailable);
    if (step) steps.push(step);
    if (waits && isOrdered) return steps;
  }
  const scaleDown = condemnedSteps(condemned, isOrdered);
  steps.push(...scaleDown.steps);
  if (scaleDown.waits || set.spec?.updateStrategy?.type === 'OnDelete') return steps;
  // What has just been told to come or go is not there to be judged.
  if (steps.some(({ type }) => type === 'create' || type === 'remove')) return steps;
  const replicas = wanted.map((ordinal) => byOrdinal.get(ordinal));
  return [...steps, ...updateSteps(set, facts, replicas, isAvailable)];
}

function isHealthy(pod: Readonly<Pod>, minReadySeconds: number, nowMs: number): boolean {
  return !isGoing(pod) && pod.status?.phase === 'Running' && isPodAvailable(pod, minReadySeconds, nowMs);
}

function isGoing(pod: Readonly<Pod>): boolean {
  return pod.metadata?.deletionTimestamp !== undefined;
}

/** What one ordinal needs, and whether those after it wait for that (source: processReplica). */
function replicaStep(
  set: Readonly<StatefulSet>,
  facts: StatefulSetFacts,
  ordinal: number,
  pod: Readonly<Pod> | undefined,
  isAvailable: (pod: Readonly<Pod>) => boolean,
): { step?: StatefulSetStep; waits: boolean } {
  if (!pod) {
    const claims = claimNames(set, ordinal).map(facts.claimNamed);
    if (claims.some((claim) => isStaleClaim(set, ordinal, claim))) return { waits: true };
    return { step: { type: 'create', ordinal, revision: revisionFor(set, facts, ordinal) }, waits: true };
  }
  if (isPodFinished(pod)) {
    if (isGoing(pod)) return { waits: true };
    const why = pod.status?.phase === 'Failed' ? 'failed' : 'succeeded';
    return { step: { type: 'remove', pod, why }, waits: true };
  }
  const waits = !isAvailable(pod);
  if (isGoing(pod)) return { waits };
  const lacksClaims = claimNames(set, ordinal).some((name) => !facts.claimNamed(name));
  if (pod.status?.phase === 'Pending' && lacksClaims)
    return { step: { type: 'createClaims', ordinal }, waits };
  if (!hasIdentity(set, pod, ordinal)) return { step: { type: 'identify', pod, ordinal }, waits };
  return { waits };
}

/** Below the partition a pod is made anew as it was. */
function revisionFor(set: Readonly<StatefulSet>, { revisions }: StatefulSetFacts, ordinal: number): string {
  const { type, rollingUpdate } = set.spec?.updateStrategy ?? {};
  if (type === 'OnDelete') return revisions.update;
  return ordinal < ordinalsOf(set).start + (rollingUpdate?.partition ?? 0)
    ? revisions.current
    : revisions.update;
}

/** From the highest down; in order, each waits until the one above it is gone. */
function condemnedSteps(
  condemned: readonly Readonly<Pod>[],
  isOrdered: boolean,
): { steps: StatefulSetStep[]; waits: boolean } {
  const steps: StatefulSetStep[] = [];
  for (const pod of condemned) {
    if (!isGoing(pod)) steps.push({ type: 'remove', pod, why: 'scaled' });
    if (isOrdered) return { steps, waits: true };
  }
  return { steps, waits: false };
}

function updateSteps(
  set: Readonly<StatefulSet>,
  { revisions }: StatefulSetFacts,
  replicas: readonly (Readonly<Pod> | undefined)[],
  isAvailable: (pod: Readonly<Pod>) => boolean,
): StatefulSetStep[] {
  const { partition = 0, maxUnavailable = 1 } = set.spec?.updateStrategy?.rollingUpdate ?? {};
  const allowed = Math.max(1, resolveIntOrPercent(maxUnavailable, replicas.length, Math.floor));
  let unavailable = replicas.filter((pod) => !pod || !isAvailable(pod)).length;
  const steps: StatefulSetStep[] = [];
  for (const pod of replicas.slice(partition).reverse()) {
    if (!pod || isGoing(pod) || revisionOf(pod) === revisions.update) continue;
    if (isAvailable(pod)) {
      if (unavailable >= allowed) continue;
      unavailable += 1;
    }
    steps.push({ type: 'remove', pod, why: 'updated' });
  }
  return steps;
}

function claimSteps(set: Readonly<StatefulSet>, { pods, claimNamed }: StatefulSetFacts): StatefulSetStep[] {
  if ((set.spec?.volumeClaimTemplates ?? []).length === 0) return [];
  const { start, count } = ordinalsOf(set);
  return pods.flatMap((pod) => {
    const ordinal = ordinalOf(set, pod) ?? -1;
    const condemned = ordinal < start || ordinal >= start + count;
    return claimNames(set, ordinal).flatMap((name) => {
      const claim = claimNamed(name);
      if (!claim || claim.metadata?.deletionTimestamp !== undefined) return [];
      const owners = wantedOwners(set, pod, { claim, condemned });
      return ownersDiffer(claim, owners) ? [{ type: 'ownClaim', claim, owners } as const] : [];
    });
  });
}
