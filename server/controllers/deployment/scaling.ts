import type { Deployment, ReplicaSet } from '../../../protocol/generated/models.ts';
import { resolveIntOrPercent } from '../../../protocol/kinds/int-or-percent.ts';
import { storedMeta } from '../../../protocol/kinds/stored-object.ts';

/**
 * How many replicas each ReplicaSet of a Deployment should ask for next. Pure; follows Kubernetes' rolling update
 * arithmetic. Rules: never more than replicas + maxSurge asked for in total; never so few that available pods could
 * fall below replicas − maxUnavailable; broken old replicas go first.
 */
export interface Bounds {
  replicas: number;
  maxSurge: number;
  maxUnavailable: number;
}

/** New replica counts by ReplicaSet uid; sets that stay as they are do not appear. */
export type ScaleChanges = Map<string, number>;

export function boundsOf(deployment: Readonly<Deployment>): Bounds {
  const replicas = deployment.spec?.replicas ?? 1;
  const strategy = deployment.spec?.strategy;
  if (strategy?.type === 'Recreate') return { replicas, maxSurge: 0, maxUnavailable: replicas };
  const maxSurge = resolveIntOrPercent(strategy?.rollingUpdate?.maxSurge ?? '25%', replicas, Math.ceil);
  const maxUnavailable = resolveIntOrPercent(
    strategy?.rollingUpdate?.maxUnavailable ?? '25%',
    replicas,
    Math.floor,
  );
  // Both may round to nothing; then no step could ever be made.
  return {
    replicas,
    maxSurge,
    maxUnavailable: maxSurge === 0 && maxUnavailable === 0 ? 1 : Math.min(maxUnavailable, replicas),
  };
}

export function wantedReplicas(replicaSet: Readonly<ReplicaSet>): number {
  return replicaSet.spec?.replicas ?? 0;
}

const total = (sets: readonly Readonly<ReplicaSet>[]) =>
  sets.reduce((sum, set) => sum + wantedReplicas(set), 0);
const available = (set: Readonly<ReplicaSet>) => set.status?.availableReplicas ?? 0;

/** Whether the set's controller has acted on its present size: what it counts is what there is, or more. */
export function isObserved({ metadata, status }: Readonly<ReplicaSet>): boolean {
  return (status?.observedGeneration ?? 0) >= (metadata?.generation ?? 0);
}

/**
 * How many replicas a new set may ask for beside `others`. A pod of theirs counts until it has been told to go, not
 * only until its set was: on a small board the surge is room that is really there (Kubernetes counts what is asked
 * for only). A set that was given another size a moment ago may still be making pods for the one before: until it has
 * counted again nobody knows how many it has, and the new set waits.
 */
export function newSetReplicas(
  bounds: Bounds,
  current: number,
  others: readonly Readonly<ReplicaSet>[],
): number {
  if (!others.every(isObserved)) return current;
  const taken = others.reduce(
    (sum, set) => sum + Math.max(wantedReplicas(set), set.status?.replicas ?? 0),
    0,
  );
  const room = bounds.replicas + bounds.maxSurge - taken - current;
  return room <= 0 ? current : current + Math.min(room, Math.max(0, bounds.replicas - current));
}

/**
 * One step of a rolling update: grow the new set if there is room, otherwise shrink old ones. `newestMax`: how many
 * replicas may be of the newest template now; as many others stay as are then missing.
 */
export function planRollingUpdate(
  bounds: Bounds,
  { newSet, oldSets, newestMax, removable }: UpdatedSets,
): ScaleChanges {
  const current = wantedReplicas(newSet);
  const room = Math.max(current, newestMax);
  const grown =
    current > bounds.replicas ? bounds.replicas : Math.min(newSetReplicas(bounds, current, oldSets), room);
  if (grown !== current) return new Map([[storedMeta(newSet).uid, grown]]);
  return shrinkOldSets(bounds, { newSet, oldSets, newestMax: room, removable });
}

interface UpdatedSets {
  newSet: Readonly<ReplicaSet>;
  oldSets: readonly Readonly<ReplicaSet>[];
  newestMax: number;
  /** So many replicas may be taken from each older set, by its uid; undefined: all. */
  removable: ReadonlyMap<string, number> | undefined;
}

function shrinkOldSets(bounds: Bounds, { newSet, oldSets, newestMax, removable }: UpdatedSets): ScaleChanges {
  const changes: ScaleChanges = new Map();
  const minAvailable = bounds.replicas - bounds.maxUnavailable;
  const newUnavailable = wantedReplicas(newSet) - available(newSet);
  const staying = Math.max(0, bounds.replicas - newestMax);
  let budget = Math.min(
    total([newSet, ...oldSets]) - minAvailable - newUnavailable,
    total(oldSets) - staying,
  );
  const left = new Map(oldSets.map((set) => [storedMeta(set).uid, wantedReplicas(set)]));
  const freeOf = (set: Readonly<ReplicaSet>) => {
    const { uid } = storedMeta(set);
    return (removable?.get(uid) ?? Number.POSITIVE_INFINITY) - (wantedReplicas(set) - (left.get(uid) ?? 0));
  };
  const shrink = (set: Readonly<ReplicaSet>, count: number) => {
    const { uid } = storedMeta(set);
    const next = (left.get(uid) ?? 0) - count;
    left.set(uid, next);
    changes.set(uid, next);
    budget -= count;
  };
  const byAge = oldSets.toSorted((a, b) => createdAt(a) - createdAt(b));
  for (const set of byAge) {
    const broken = Math.min(wantedReplicas(set) - available(set), budget, freeOf(set));
    if (broken > 0) shrink(set, broken);
  }
  let spare = available(newSet) + oldSets.reduce((sum, set) => sum + available(set), 0) - minAvailable;
  for (const set of byAge) {
    const healthy = Math.min(left.get(storedMeta(set).uid) ?? 0, spare, budget, freeOf(set));
    if (healthy <= 0) continue;
    shrink(set, healthy);
    spare -= healthy;
  }
  return changes;
}

export const desiredAnnotation = 'deployment.kubernetes.io/desired-replicas';
export const maxAnnotation = 'deployment.kubernetes.io/max-replicas';

/** What each ReplicaSet remembers of its Deployment's size, to notice and spread a later change of it. */
export function sizeAnnotations(bounds: Bounds): Record<string, string> {
  return {
    [desiredAnnotation]: String(bounds.replicas),
    [maxAnnotation]: String(bounds.replicas + bounds.maxSurge),
  };
}

/** True when the Deployment was resized since its active sets were last written. */
export function isResized(bounds: Bounds, sets: readonly Readonly<ReplicaSet>[]): boolean {
  return sets.some((set) => {
    const before = set.metadata?.annotations?.[desiredAnnotation];
    return wantedReplicas(set) > 0 && before !== undefined && Number(before) !== bounds.replicas;
  });
}

/** Spreads a resize over the active sets: one set takes all; in the middle of a rollout each gets its share. */
export function planResize(
  bounds: Bounds,
  newSet: Readonly<ReplicaSet> | undefined,
  oldSets: readonly Readonly<ReplicaSet>[],
): ScaleChanges {
  const all = newSet ? [newSet, ...oldSets] : [...oldSets];
  const active = all.filter((set) => wantedReplicas(set) > 0);
  const only = active.length === 0 ? (newSet ?? newest(oldSets)) : active[0];
  if (active.length <= 1) {
    return only && wantedReplicas(only) !== bounds.replicas
      ? new Map([[storedMeta(only).uid, bounds.replicas]])
      : new Map();
  }
  if (newSet && isSaturated(bounds, newSet)) {
    return new Map(active.flatMap((set) => (set === newSet ? [] : [[storedMeta(set).uid, 0]])));
  }
  return spread(bounds, active);
}

/** Gives what the newest set may not have yet to the largest of the others. */
export function capNewest(
  changes: ScaleChanges,
  {
    newSet,
    oldSets,
    newestMax,
  }: Omit<UpdatedSets, 'newSet' | 'removable'> & Partial<Pick<UpdatedSets, 'newSet'>>,
): ScaleChanges {
  const uid = newSet && storedMeta(newSet).uid;
  const wished = uid === undefined ? undefined : changes.get(uid);
  if (!newSet || uid === undefined || wished === undefined) return changes;
  const allowed = Math.min(wished, Math.max(newestMax, wantedReplicas(newSet)));
  const [largest] = oldSets.toSorted((a, b) => wantedReplicas(b) - wantedReplicas(a));
  if (allowed === wished || !largest) return changes;
  const other = storedMeta(largest).uid;
  const capped = new Map(changes).set(uid, allowed);
  return capped.set(other, (changes.get(other) ?? wantedReplicas(largest)) + wished - allowed);
}

/** The new set has all it may have, and all of it is available: the old ones have done their part. */
function isSaturated({ replicas }: Bounds, newSet: Readonly<ReplicaSet>): boolean {
  return wantedReplicas(newSet) === replicas && available(newSet) === replicas;
}

function spread(bounds: Bounds, active: readonly Readonly<ReplicaSet>[]): ScaleChanges {
  const allowed = bounds.replicas > 0 ? bounds.replicas + bounds.maxSurge : 0;
  const toAdd = allowed - total(active);
  // Largest first; of equal ones the newer grows first and the older shrinks first (Kubernetes' order).
  const age = toAdd > 0 ? -1 : 1;
  const order = active.toSorted(
    (a, b) => wantedReplicas(b) - wantedReplicas(a) || age * (createdAt(a) - createdAt(b)),
  );
  const changes: ScaleChanges = new Map();
  let added = 0;
  for (const set of order) {
    const before = Number(set.metadata?.annotations?.[maxAnnotation] ?? total(active)) || 1;
    const share = Math.round((wantedReplicas(set) * allowed) / before) - wantedReplicas(set);
    const room = toAdd - added;
    const delta = toAdd > 0 ? Math.min(Math.max(share, 0), room) : Math.max(Math.min(share, 0), room);
    changes.set(storedMeta(set).uid, wantedReplicas(set) + delta);
    added += delta;
  }
  const first = order[0];
  if (first && added !== toAdd) {
    const { uid } = storedMeta(first);
    changes.set(uid, Math.max(0, (changes.get(uid) ?? 0) + toAdd - added));
  }
  return changes;
}

export function newest(sets: readonly Readonly<ReplicaSet>[]): Readonly<ReplicaSet> | undefined {
  return sets.toSorted((a, b) => createdAt(b) - createdAt(a))[0];
}

export function createdAt(set: Readonly<ReplicaSet>): number {
  return Date.parse(storedMeta(set).creationTimestamp);
}
