import type { Deployment, LabelSelector, Node, Pod, ReplicaSet } from '../../../protocol/generated/models.ts';
import type { RolloutBatch, RolloutPolicy, WorkloadRollout } from '../../../protocol/kinds/rollout-policy.ts';
import { storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { compileLabelSelector } from '../../../protocol/selectors.ts';
import { isSilent, silentSinceMs } from '../node-silence.ts';
import { isPodActive, isPodReady } from '../pod-state.ts';
import { batchNames, type RolloutUnit } from '../rollout-policy/batches.ts';
import { planRollout, type RolloutPlan } from '../rollout-policy/plan.ts';
import { lockState, type Timed, type UnitState, updatedState } from '../rollout-policy/unit-state.ts';
import { templateHash, templateHashLabel } from '../template-hash.ts';
import { isObserved, wantedReplicas } from './scaling.ts';

/** What a RolloutPolicy lets a Deployment do now. */
export interface DeploymentGate {
  /** So many replicas may be of the newest template. */
  newestMax: number;
  /** So many pods may be taken from each older set, by its uid; undefined: as many as it has. */
  removable: ReadonlyMap<string, number> | undefined;
  /** Where new pods go and old ones are taken, while only batches by label are open. */
  nodes: readonly LabelSelector[] | undefined;
  /** To be written into the policy's status. */
  rollout: WorkloadRollout | undefined;
  /** Hash of the template that the Deployment shall get back. */
  rollBackTo: string | undefined;
  /** When the answers change by time alone, milliseconds since 1970; Infinity when they do not. */
  changesAtMs: number;
}

export interface DeploymentRules {
  policy: Readonly<RolloutPolicy>;
  before: Readonly<WorkloadRollout> | undefined;
  /** Of all its ReplicaSets. */
  pods: readonly Readonly<Pod>[];
  nodeOf: (name: string) => Readonly<Node> | undefined;
  nowMs: number;
}

export interface DeploymentSets {
  newSet: Readonly<ReplicaSet> | undefined;
  oldSets: readonly Readonly<ReplicaSet>[];
}

/** 'held': the policy cannot be had. */
export function deploymentGate(
  deployment: Readonly<Deployment>,
  sets: DeploymentSets,
  rules: DeploymentRules | 'held' | undefined,
): DeploymentGate {
  if (rules !== undefined && rules !== 'held') return gateOf(deployment, sets, rules);
  const isUpdate = sets.oldSets.some((set) => wantedReplicas(set) > 0);
  const held = rules === 'held' && isUpdate;
  return {
    newestMax: held ? wantedOf(sets.newSet) : Number.POSITIVE_INFINITY,
    removable: undefined,
    nodes: undefined,
    rollout: undefined,
    rollBackTo: undefined,
    changesAtMs: Number.POSITIVE_INFINITY,
  };
}

/** The hash of the Deployment's template, as its ReplicaSet bears or will bear it. */
export function hashOfNewest(
  deployment: Readonly<Deployment>,
  newSet: Readonly<ReplicaSet> | undefined,
): string {
  const { spec, status } = deployment;
  return hashOf(newSet) || templateHash(spec?.template ?? {}, status?.collisionCount ?? 0);
}

export function hashOf(object: Readonly<ReplicaSet | Pod> | undefined): string {
  return object?.metadata?.labels?.[templateHashLabel] ?? '';
}

function wantedOf(set: Readonly<ReplicaSet> | undefined): number {
  return set ? wantedReplicas(set) : 0;
}

function gateOf(
  deployment: Readonly<Deployment>,
  { newSet, oldSets }: DeploymentSets,
  rules: DeploymentRules,
): DeploymentGate {
  const { policy, nowMs } = rules;
  const hash = hashOfNewest(deployment, newSet);
  const before = withKnownRevision(rules.before, new Set([hash, ...oldSets.map(hashOf)]));
  const continued = before?.revision === hash ? before : undefined;
  const startedMs = continued ? Date.parse(continued.startedAt) : nowMs;
  const all = unitsOf(deployment, hash, { ...rules, startedMs });
  const seen = counted(all, deployment.spec?.replicas ?? 1);
  const ends = batchEnds(deployment, seen, { batches: policy.spec?.batches ?? [], continued });
  const batchOf = new Map(seen.map(({ unit }, place) => [unit, ends.findIndex((end) => place < end)]));
  const { name, uid, annotations = {} } = storedMeta(deployment);
  const previous = oldSets
    .filter((set) => wantedReplicas(set) > 0)
    .sort(byAge)
    .at(-1);
  const plan = planRollout({
    policy,
    workload: { kind: 'Deployment', name, uid, annotations },
    before,
    units: seen.map(({ unit }) => unit),
    batchOf: (unit) => batchOf.get(unit) ?? 0,
    revision: hash,
    previousRevision: previous && hashOf(previous),
    nowMs,
  });
  const isUpdate = oldSets.some((set) => wantedReplicas(set) > 0);
  const old = all.filter(({ unit }) => isOld(unit));
  const nodes = openNodes(policy, plan);
  const isOpen = ({ byLabel }: Seen) => nodes === undefined || byLabel < nodes.length;
  const frozen = plan.openBatch < 0;
  const mayGo = (one: Seen) => (frozen ? plan.mayReplace(one.unit) : isOpen(one) && !one.unit.locked);
  const locked = old.filter((one) => isOpen(one) && one.unit.locked).length;
  const updated = seen.filter(({ unit }) => !isOld(unit)).length;
  const newest = frozen
    ? updated + seen.filter(({ unit }) => isOld(unit) && plan.mayReplace(unit)).length
    : (ends[Math.min(plan.openBatch, ends.length - 1)] ?? 0) - locked;
  return {
    newestMax: isUpdate ? Math.max(wantedOf(newSet), newest) : Number.POSITIVE_INFINITY,
    removable: removableOf(oldSets, old, { mayGo, frozen }),
    nodes,
    rollout: plan.rollout,
    rollBackTo: plan.rollBackTo,
    changesAtMs: all.reduce(
      (least, { untilMs }) => Math.min(least, untilMs),
      plan.changesAtMs ?? Number.POSITIVE_INFINITY,
    ),
  };
}

function withKnownRevision(
  before: Readonly<WorkloadRollout> | undefined,
  known: ReadonlySet<string>,
): Readonly<WorkloadRollout> | undefined {
  if (!before?.stableRevision || known.has(before.stableRevision)) return before;
  const { stableRevision: _lost, ...rest } = before;
  return rest;
}

function byAge(a: Readonly<ReplicaSet>, b: Readonly<ReplicaSet>): number {
  return Date.parse(storedMeta(a).creationTimestamp) - Date.parse(storedMeta(b).creationTimestamp);
}

interface Seen {
  unit: RolloutUnit;
  /** Index of the batch whose labels its node has; after all others when there is none. */
  byLabel: number;
  untilMs: number;
}

const never = Number.POSITIVE_INFINITY;
const order: Readonly<Record<UnitState, number>> = {
  healthy: 0,
  updating: 1,
  failed: 2,
  waiting: 3,
  pending: 4,
};

function unitsOf(
  deployment: Readonly<Deployment>,
  hash: string,
  rules: DeploymentRules & { startedMs: number },
): Seen[] {
  const labelBatch = labelBatchOf(rules.policy.spec?.batches ?? []);
  const minReadySeconds = deployment.spec?.minReadySeconds ?? 0;
  return rules.pods
    .filter(isPodActive)
    .map((pod) => unitOf(pod, hash, { ...rules, minReadySeconds }))
    .map((one) => ({ ...one, byLabel: labelBatch(one.unit) }))
    .sort(byUse);
}

/**
 * One for each replica that is wanted, the updated ones first: batches are filled in this order. What is there for the
 * time of a surge only is not counted.
 */
function counted(all: readonly Seen[], replicas: number): Seen[] {
  const units = all.slice(0, replicas);
  for (let missing = units.length; missing < replicas; missing += 1)
    units.push({ unit: { ...missingUnit }, byLabel: never, untilMs: never });
  return units.sort(byUse);
}

function byUse({ unit: a, byLabel: placeA }: Seen, { unit: b, byLabel: placeB }: Seen): number {
  const before = (one: number, other: number) => (one === other ? 0 : one - other);
  return order[a.state] - order[b.state] || before(placeA, placeB) || Number(a.locked) - Number(b.locked);
}

const missingUnit: RolloutUnit = {
  name: '',
  labels: {},
  state: 'waiting',
  locked: false,
  ready: false,
  revision: undefined,
};

function unitOf(
  pod: Readonly<Pod>,
  hash: string,
  rules: DeploymentRules & { startedMs: number; minReadySeconds: number },
): Omit<Seen, 'byLabel'> {
  const { policy, nowMs, startedMs } = rules;
  const spec = policy.spec ?? {};
  const node = pod.spec?.nodeName ? rules.nodeOf(pod.spec.nodeName) : undefined;
  const silentSince = node && silentSinceMs(node);
  const health: Timed<UnitState> =
    hashOf(pod) === hash
      ? updatedState(pod, silentSince, {
          healthyMs: Math.max(spec.healthySeconds ?? 60, rules.minReadySeconds) * 1000,
          deadlineMs: (spec.progressDeadlineSeconds ?? 600) * 1000,
          nowMs,
        })
      : { is: node && isSilent(node) ? 'pending' : 'waiting', untilMs: never };
  const isOld = health.is === 'waiting' || health.is === 'pending';
  const maxAgeMs = (spec.lockMaxAgeSeconds ?? 3600) * 1000;
  const lock = isOld ? lockState(pod, { maxAgeMs, startedMs, nowMs }) : { is: false, untilMs: never };
  return {
    unit: {
      name: storedMeta(pod).name,
      labels: node?.metadata?.labels ?? {},
      state: health.is,
      locked: lock.is,
      ready: isPodReady(pod),
      revision: hashOf(pod),
    },
    untilMs: Math.min(health.untilMs, lock.untilMs),
  };
}

function labelBatchOf(batches: readonly RolloutBatch[]): (unit: RolloutUnit) => number {
  const matchers = batches.map(({ selector }) => compileLabelSelector(selector));
  return ({ labels }) => {
    const found = matchers.findIndex((matches) => matches({ ...labels }));
    return found < 0 ? never : found;
  };
}

/**
 * Where each batch ends among the replicas. A batch by label is as large as the number of pods on its nodes was when the
 * rollout began, for pods may move.
 */
function batchEnds(
  deployment: Readonly<Deployment>,
  seen: readonly Seen[],
  {
    batches,
    continued,
  }: { batches: readonly RolloutBatch[]; continued: Readonly<WorkloadRollout> | undefined },
): number[] {
  const replicas = deployment.spec?.replicas ?? 1;
  let end = 0;
  return batchNames(batches).map((name, index) => {
    const batch = batches[index];
    if (!batch) return replicas;
    const known = continued?.batches.find((one) => one.name === name)?.devices;
    if (batch.percent !== undefined) end = Math.max(end, Math.ceil((batch.percent / 100) * replicas));
    else end += known ?? seen.filter(({ byLabel }) => byLabel === index).length;
    end = Math.min(end, replicas);
    return end;
  });
}

function isOld({ state }: RolloutUnit): boolean {
  return state === 'waiting' || state === 'pending';
}

/**
 * How many pods may be taken from each set: of those that may go, and never so many that one of the others had to. Only when its
 * controller has counted no more pods than it asks for now: else some are on their way out for that already, and which ones is
 * not seen yet. Pods that a set lacks may be in the making, unseen so far; they can be taken when its controller says that it
 * cannot make them, unless nothing may be updated anyway.
 */
function removableOf(
  oldSets: readonly Readonly<ReplicaSet>[],
  old: readonly Seen[],
  { mayGo, frozen }: { mayGo: (one: Seen) => boolean; frozen: boolean },
): Map<string, number> {
  const byHash = new Map<string, { free: number; staying: number }>();
  for (const one of old) {
    const hash = one.unit.revision ?? '';
    const counts = byHash.get(hash) ?? { free: 0, staying: 0 };
    byHash.set(hash, counts);
    counts[mayGo(one) ? 'free' : 'staying'] += 1;
  }
  return new Map(
    oldSets.map((set) => {
      const { free, staying } = byHash.get(hashOf(set)) ?? { free: 0, staying: 0 };
      const wanted = wantedReplicas(set);
      const isShrinking = !isObserved(set) || (set.status?.replicas ?? 0) > wanted;
      const lacking = frozen || !cannotMakePods(set) ? 0 : Math.max(0, wanted - free - staying);
      const removable = isShrinking ? 0 : Math.min(wanted - staying, free + lacking);
      return [storedMeta(set).uid, Math.max(0, removable)];
    }),
  );
}

function cannotMakePods({ status }: Readonly<ReplicaSet>): boolean {
  return (
    status?.conditions?.some(({ type, status: is }) => type === 'ReplicaFailure' && is === 'True') ?? false
  );
}

function openNodes(policy: Readonly<RolloutPolicy>, plan: RolloutPlan): LabelSelector[] | undefined {
  const batches = policy.spec?.batches ?? [];
  if (plan.openBatch < 0 || plan.openBatch >= batches.length) return undefined;
  const selectors = batches.slice(0, plan.openBatch + 1).map(({ selector }) => selector);
  return selectors.every((selector) => selector !== undefined) ? selectors : undefined;
}
