import type { DaemonSet, DaemonSetStatus, Node, Pod } from '../../../protocol/generated/models.ts';
import type { WorkloadRollout } from '../../../protocol/kinds/rollout-policy.ts';
import { storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { revisionHashLabel } from '../controller-revisions.ts';
import { silentSinceMs } from '../node-silence.ts';
import { isPodAvailable, isPodReady, readySinceMs } from '../pod-state.ts';
import { daemonTolerations, fitOf, targetNode } from './node-fit.ts';
import { failedSilently, isGoing, type NodeRecord, type PodJudge } from './node-record.ts';
import { planRollingUpdate } from './rolling-update.ts';
import { gateOf, openGate, type RolloutGate, type RolloutRules } from './rollout-gate.ts';

/**
 * What to do for one DaemonSet, given the nodes, the pods it controls and the time. Pure. Rules: one pod on each node
 * that shall run it, two only where a surge allows it; a node that loses its pod to an update is never one more than
 * maxUnavailable allows; OnDelete replaces nothing by itself; nothing is made or removed while the DaemonSet is being
 * deleted. A silent device is given nothing, and takes no part in an update: it is pending, outside of every count,
 * unless it took the newest pod and fell silent before that was available, which is a failure.
 */
export interface DaemonSetPlan {
  /** Names of the nodes that get a pod of the newest revision. */
  create: string[];
  /** Of those that get one of the revision before, for a rollout has not come to them yet. */
  createStable: string[];
  remove: Readonly<Pod>[];
  /** Pods that ended by themselves; they go too, those that failed not at once again and again. */
  ended: Readonly<Pod>[];
  status: DaemonSetStatus;
  /** When the plan changes by time alone. */
  wakeAfterMs: number | undefined;
  /** Of the rollout, where a policy is followed; to be written before anything else is done. */
  rollout: WorkloadRollout | undefined;
  /** Hash of the revision that the DaemonSet shall get back. */
  rollBackTo: string | undefined;
}

export interface DaemonSetFacts {
  nodes: Iterable<Readonly<Node>>;
  /** That the DaemonSet controls, in any order. */
  pods: readonly Readonly<Pod>[];
  /** Of the template as it is now, as pods bear it. */
  hash: string;
  nowMs: number;
  /** Whose policy says what may be updated; 'held' when that policy cannot be had. */
  rollout?: RolloutRules | 'held' | undefined;
}

/** One round never makes or removes more than this (Kubernetes' burst). */
const burstReplicas = 250;

export function planDaemonSet(daemonSet: Readonly<DaemonSet>, facts: DaemonSetFacts): DaemonSetPlan {
  const minReadySeconds = daemonSet.spec?.minReadySeconds ?? 0;
  const judge: PodJudge = {
    isUpdated: (pod) => pod.metadata?.labels?.[revisionHashLabel] === facts.hash,
    isAvailable: (pod) => isPodAvailable(pod, minReadySeconds, facts.nowMs),
  };
  const { records, strays } = recordsOf(daemonSet, facts);
  const status = statusOf(daemonSet, records, judge);
  const gate = findGate(daemonSet, facts, { records, judge });
  const plan: DaemonSetPlan = {
    create: [],
    createStable: [],
    remove: [],
    ended: [],
    status,
    wakeAfterMs: earliest(nextAvailability(facts, minReadySeconds), gate.changesAtMs - facts.nowMs),
    rollout: gate.rollout,
    rollBackTo: gate.rollBackTo,
  };
  if (daemonSet.metadata?.deletionTimestamp !== undefined) return plan;
  const surges = surgeOf(daemonSet);
  plan.remove.push(...strays);
  for (const record of records) manageNode(plan, record, { judge, gate, surges });
  const made = plan.create.length + plan.createStable.length;
  const settled = made + plan.remove.length + plan.ended.length === 0;
  if (settled && daemonSet.spec?.updateStrategy?.type !== 'OnDelete') {
    const update = planRollingUpdate(daemonSet, records, {
      judge,
      gate,
      desired: status.desiredNumberScheduled,
    });
    plan.create.push(...update.create);
    plan.remove.push(...update.remove);
  }
  plan.create.length = Math.min(plan.create.length, burstReplicas);
  plan.createStable.length = Math.min(plan.createStable.length, burstReplicas - plan.create.length);
  plan.remove.length = Math.min(plan.remove.length, burstReplicas);
  return plan;
}

function findGate(
  daemonSet: Readonly<DaemonSet>,
  { rollout, hash, nowMs }: DaemonSetFacts,
  { records, judge }: { records: readonly NodeRecord[]; judge: PodJudge },
): RolloutGate {
  if (rollout === undefined || rollout === 'held') return openGate(rollout === 'held');
  return gateOf(daemonSet, rollout, { records, judge, hash, nowMs });
}

function earliest(waitMs: number | undefined, otherMs: number): number | undefined {
  const least = Math.min(waitMs ?? Number.POSITIVE_INFINITY, otherMs);
  return Number.isFinite(least) ? Math.max(1, least) : undefined;
}

/** `strays`: unbound pods for nodes that are not there (bound ones are the node lifecycle's to remove). */
function recordsOf(
  daemonSet: Readonly<DaemonSet>,
  { nodes, pods }: DaemonSetFacts,
): { records: NodeRecord[]; strays: Readonly<Pod>[] } {
  const template = daemonSet.spec?.template;
  const tolerations = daemonTolerations(template?.spec);
  const byNode = new Map<string, Readonly<Pod>[]>();
  for (const pod of pods) {
    const node = targetNode(pod) ?? '';
    const there = byNode.get(node);
    if (there) there.push(pod);
    else byNode.set(node, [pod]);
  }
  const records: NodeRecord[] = [];
  for (const node of nodes) {
    const { name, labels = {} } = storedMeta(node);
    const there = byNode.get(name) ?? [];
    byNode.delete(name);
    const fit = fitOf({ template }, node, tolerations);
    if (!fit.shouldRun && there.length === 0) continue;
    const silentSince = silentSinceMs(node);
    const silent = silentSince !== undefined;
    records.push({ name, labels, fit, silent, silentSinceMs: silentSince, pods: there.sort(byAge) });
  }
  const homeless = [...byNode.values()].flat();
  const strays = homeless.filter((pod) => !pod.spec?.nodeName && !isGoing(pod));
  return { records, strays };
}

function byAge(a: Readonly<Pod>, b: Readonly<Pod>): number {
  return (
    Number(Boolean(b.spec?.nodeName)) - Number(Boolean(a.spec?.nodeName)) ||
    Date.parse(storedMeta(a).creationTimestamp) - Date.parse(storedMeta(b).creationTimestamp) ||
    (storedMeta(a).name < storedMeta(b).name ? -1 : 1)
  );
}

function surgeOf({ spec }: Readonly<DaemonSet>): boolean {
  const { type, rollingUpdate } = spec?.updateStrategy ?? {};
  return type !== 'OnDelete' && Number.parseInt(String(rollingUpdate?.maxSurge ?? 0), 10) > 0;
}

/** Brings one node to one pod, whatever revision it is of (source: pkg/controller/daemon, podsShouldBeOnNode). */
function manageNode(
  plan: DaemonSetPlan,
  record: NodeRecord,
  { judge, gate, surges }: { judge: PodJudge; gate: RolloutGate; surges: boolean },
): void {
  const { name, fit, silent, pods } = record;
  if (!fit.mayStay && !fit.shouldRun) {
    plan.remove.push(...pods.filter((pod) => !isGoing(pod)));
    return;
  }
  if (pods.length === 0) {
    if (fit.shouldRun && !silent) (gate.getsNewest(name) ? plan.create : plan.createStable).push(name);
    return;
  }
  const staying = pods.filter((pod) => !isGoing(pod));
  const ended = staying.filter(({ status }) => status?.phase === 'Failed' || status?.phase === 'Succeeded');
  plan.ended.push(...ended);
  const running = staying.filter((pod) => !ended.includes(pod));
  if (running.length < 2) return;
  if (!surges) plan.remove.push(...running.slice(1));
  else plan.remove.push(...surplusOfSurge(running, judge, gate.mayReplace(name)));
}

/** Of each revision the oldest stays, and the old one only until the new one is available. */
function surplusOfSurge(
  running: readonly Readonly<Pod>[],
  judge: PodJudge,
  mayReplace: boolean,
): Readonly<Pod>[] {
  const updated = running.filter(judge.isUpdated);
  const outdated = running.filter((pod) => !judge.isUpdated(pod));
  const surplus = [...updated.slice(1), ...outdated.slice(1)];
  const [oldest] = outdated;
  const [newer] = updated;
  if (mayReplace && oldest && newer && (!isPodReady(oldest) || judge.isAvailable(newer)))
    surplus.push(oldest);
  return surplus;
}

function statusOf(
  daemonSet: Readonly<DaemonSet>,
  records: readonly NodeRecord[],
  judge: PodJudge,
): DaemonSetStatus {
  const { collisionCount, conditions } = daemonSet.status ?? {};
  const counts = { desired: 0, current: 0, misscheduled: 0, ready: 0, available: 0, updated: 0 };
  for (const record of records) {
    const [pod] = record.pods;
    const failed = failedSilently(record, judge);
    if (record.silent && !failed && (record.fit.shouldRun || record.fit.mayStay)) continue;
    if (!record.fit.shouldRun && !failed) {
      if (pod) counts.misscheduled += 1;
      continue;
    }
    counts.desired += 1;
    if (!pod) continue;
    counts.current += 1;
    if (isPodReady(pod)) counts.ready += 1;
    if (judge.isAvailable(pod)) counts.available += 1;
    if (judge.isUpdated(pod)) counts.updated += 1;
  }
  return {
    currentNumberScheduled: counts.current,
    numberMisscheduled: counts.misscheduled,
    desiredNumberScheduled: counts.desired,
    numberReady: counts.ready,
    updatedNumberScheduled: counts.updated,
    numberAvailable: counts.available,
    numberUnavailable: counts.desired - counts.available,
    observedGeneration: daemonSet.metadata?.generation ?? 0,
    ...(collisionCount === undefined ? {} : { collisionCount }),
    ...(conditions ? { conditions } : {}),
  };
}

function nextAvailability({ pods, nowMs }: DaemonSetFacts, minReadySeconds: number): number | undefined {
  if (minReadySeconds === 0) return undefined;
  const ahead = pods.flatMap((pod) => {
    const since = readySinceMs(pod);
    const wait = since === undefined ? 0 : since + minReadySeconds * 1000 - nowMs;
    return wait > 0 ? [wait] : [];
  });
  return ahead.length > 0 ? Math.min(...ahead) : undefined;
}
