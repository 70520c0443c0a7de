import type { DaemonSet } from '../../../protocol/generated/models.ts';
import type { RolloutPolicy, WorkloadRollout } from '../../../protocol/kinds/rollout-policy.ts';
import { storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { revisionHashLabel } from '../controller-revisions.ts';
import { isPodReady } from '../pod-state.ts';
import { batchesByNode, type RolloutUnit } from '../rollout-policy/batches.ts';
import { planRollout } from '../rollout-policy/plan.ts';
import { lockState, updatedState } from '../rollout-policy/unit-state.ts';
import { isGoing, type NodeRecord, type PodJudge } from './node-record.ts';

/** What a RolloutPolicy lets a DaemonSet do now. */
export interface RolloutGate {
  /** Whether the node's outdated pod may go for a newer one. */
  mayReplace: (node: string) => boolean;
  /** Whether a node without a pod gets one of the newest revision; otherwise of the stable one. */
  getsNewest: (node: string) => boolean;
  /** To be written into the policy's status. */
  rollout: WorkloadRollout | undefined;
  /** Hash of the revision that the DaemonSet shall get back. */
  rollBackTo: string | undefined;
  /** When the answers change by time alone, milliseconds since 1970; Infinity when they do not. */
  changesAtMs: number;
}

export interface RolloutRules {
  policy: Readonly<RolloutPolicy>;
  before: Readonly<WorkloadRollout> | undefined;
  /** Hash of the newest earlier revision that pods are of. */
  previousRevision: string | undefined;
  /** Hashes of all earlier revisions that can be had back. */
  knownRevisions: ReadonlySet<string>;
}

/** Without a policy everything may be updated; 'held': nothing, for the policy cannot be had. */
export function openGate(held: boolean): RolloutGate {
  return {
    mayReplace: () => !held,
    getsNewest: () => true,
    rollout: undefined,
    rollBackTo: undefined,
    changesAtMs: Number.POSITIVE_INFINITY,
  };
}

interface GateFacts {
  records: readonly NodeRecord[];
  judge: PodJudge;
  hash: string;
  nowMs: number;
}

/** One look at each node of the DaemonSet. Pure. */
export function gateOf(daemonSet: Readonly<DaemonSet>, rules: RolloutRules, facts: GateFacts): RolloutGate {
  const { records, hash, nowMs } = facts;
  const { policy } = rules;
  const concerned = records.filter(({ fit }) => fit.mayStay || fit.shouldRun);
  const before = withKnownRevision(rules, hash);
  const startedMs = before?.revision === hash ? Date.parse(before.startedAt) : nowMs;
  const seen = concerned.map((record) => unitOf(record, { daemonSet, policy, startedMs, ...facts }));
  const units = seen.map(({ unit }) => unit);
  const batches = batchesByNode(policy.spec?.batches ?? [], units);
  const byNode = new Map(units.map((unit) => [unit.name, unit]));
  const { name, uid, annotations = {} } = storedMeta(daemonSet);
  const plan = planRollout({
    policy,
    workload: { kind: 'DaemonSet', name, uid, annotations },
    before,
    units,
    batchOf: (unit) => batches.get(unit.name) ?? 0,
    revision: hash,
    previousRevision: rules.previousRevision,
    nowMs,
  });
  return {
    mayReplace: (node) => {
      const unit = byNode.get(node);
      return unit !== undefined && plan.mayReplace(unit);
    },
    getsNewest: (node) => plan.getsNewest(batches.get(node) ?? 0),
    rollout: plan.rollout,
    rollBackTo: plan.rollBackTo,
    changesAtMs: Math.min(plan.changesAtMs ?? Number.POSITIVE_INFINITY, ...smallest(seen)),
  };
}

/** A revision that the history has lost cannot be gone back to. */
function withKnownRevision(
  { before, knownRevisions }: RolloutRules,
  hash: string,
): Readonly<WorkloadRollout> | undefined {
  const stable = before?.stableRevision;
  if (!before || !stable || stable === hash || knownRevisions.has(stable)) return before;
  const { stableRevision: _lost, ...rest } = before;
  return rest;
}

function smallest(seen: readonly { untilMs: number }[]): number[] {
  return [seen.reduce((least, { untilMs }) => Math.min(least, untilMs), Number.POSITIVE_INFINITY)];
}

interface UnitFacts extends GateFacts {
  daemonSet: Readonly<DaemonSet>;
  policy: Readonly<RolloutPolicy>;
  startedMs: number;
}

function unitOf(record: NodeRecord, facts: UnitFacts): { unit: RolloutUnit; untilMs: number } {
  const { daemonSet, judge, nowMs, startedMs } = facts;
  const spec = facts.policy.spec ?? {};
  const { name, labels, pods, silentSinceMs } = record;
  const updated = pods.find((pod) => !isGoing(pod) && judge.isUpdated(pod));
  const outdated = pods.find((pod) => !isGoing(pod) && !judge.isUpdated(pod));
  const health = updated
    ? updatedState(updated, silentSinceMs, {
        healthyMs: Math.max(spec.healthySeconds ?? 60, daemonSet.spec?.minReadySeconds ?? 0) * 1000,
        deadlineMs: (spec.progressDeadlineSeconds ?? 600) * 1000,
        nowMs,
      })
    : {
        is: silentSinceMs === undefined ? ('waiting' as const) : ('pending' as const),
        untilMs: Number.POSITIVE_INFINITY,
      };
  const maxAgeMs = (spec.lockMaxAgeSeconds ?? 3600) * 1000;
  const lock = outdated
    ? lockState(outdated, { maxAgeMs, startedMs, nowMs })
    : { is: false, untilMs: Number.POSITIVE_INFINITY };
  return {
    unit: {
      name,
      labels,
      state: health.is,
      locked: lock.is,
      ready: outdated !== undefined && isPodReady(outdated),
      revision: outdated?.metadata?.labels?.[revisionHashLabel],
    },
    untilMs: Math.min(health.untilMs, lock.untilMs),
  };
}
