import type { PodDisruptionBudget } from '../../protocol/generated/models.ts';
import { compileLabelSelector } from '../../protocol/selectors.ts';
import { fitsNode } from './choose-node.ts';
import type { Fleet } from './fleet.ts';
import type { NodeState } from './node-state.ts';
import type { PodRequest } from './pod-request.ts';
import type { Judges } from './profiles.ts';

/** A node, and the pods that must go from it so that a more important one fits. */
export interface Preemption {
  node: NodeState;
  victims: readonly PodRequest[];
}

/** So many nodes are looked at: a fleet of thousands need not be searched for the very best victims. */
const nodesMax = 100;

/**
 * Where the fewest and least important pods would make room (source: Kubernetes' documentation, Pod Priority and
 * Preemption, and the order of its DefaultPreemption plugin). Pure; undefined when nobody's going helps.
 */
export function choosePreemption(
  pod: PodRequest,
  judges: Judges,
  {
    fleet,
    curable,
    budgets,
  }: { fleet: Fleet; curable: readonly NodeState[]; budgets: readonly Readonly<PodDisruptionBudget>[] },
): Preemption | undefined {
  let best: Candidate | undefined;
  let looked = 0;
  for (const node of curable) {
    if (looked === nodesMax) break;
    const candidate = victimsOn(node, pod, { judges, fleet, budgets });
    if (!candidate) continue;
    looked += 1;
    if (!best || isBetter(candidate, best)) best = candidate;
  }
  return best;
}

interface Candidate extends Preemption {
  /** How many victims' disruption budgets do not allow it. */
  violations: number;
  highestPriority: number;
  prioritySum: number;
  /** When the first of the most important victims started, milliseconds since 1970. */
  earliestStartMs: number;
}

/** All less important pods go, and come back one by one, the most important first, as long as the pod still fits. */
function victimsOn(
  node: NodeState,
  pod: PodRequest,
  {
    judges,
    fleet,
    budgets,
  }: { judges: Judges; fleet: Fleet; budgets: readonly Readonly<PodDisruptionBudget>[] },
): Candidate | undefined {
  const lower = [...node.pods.values()].filter(({ priority }) => priority < pod.priority).sort(byImportance);
  if (lower.length === 0) return undefined;
  const { violating, others } = splitByBudgets(lower, budgets);
  return fleet.without(node, lower, ({ take, putBack }) => {
    if (!fitsNode(judges, node)) return undefined;
    const staysAway = (candidate: PodRequest) => {
      putBack(candidate);
      if (fitsNode(judges, node)) return false;
      take(candidate);
      return true;
    };
    const spared = violating.filter(staysAway);
    const victims = [...spared, ...others.filter(staysAway)].sort(byImportance);
    return victims.length === 0 ? undefined : assess(node, victims, spared.length);
  });
}

function assess(node: NodeState, victims: readonly PodRequest[], violations: number): Candidate {
  const highestPriority = victims[0]?.priority ?? 0;
  const starts = victims.filter(({ priority }) => priority === highestPriority).map(startMs);
  return {
    node,
    victims,
    violations,
    highestPriority,
    prioritySum: victims.reduce((sum, { priority }) => sum + priority, 0),
    earliestStartMs: Math.min(...starts),
  };
}

function isBetter(a: Candidate, b: Candidate): boolean {
  const order =
    a.violations - b.violations ||
    a.highestPriority - b.highestPriority ||
    a.prioritySum - b.prioritySum ||
    a.victims.length - b.victims.length ||
    b.earliestStartMs - a.earliestStartMs;
  return order < 0;
}

/** The more important first; of equal ones the one that runs for longer. */
function byImportance(a: PodRequest, b: PodRequest): number {
  return b.priority - a.priority || startMs(a) - startMs(b);
}

function startMs({ pod }: PodRequest): number {
  const start = pod.status?.startTime;
  return start === undefined ? Number.POSITIVE_INFINITY : Date.parse(start);
}

/** Pods whose budget has no disruption left for them, counting those before them. */
function splitByBudgets(
  pods: readonly PodRequest[],
  budgets: readonly Readonly<PodDisruptionBudget>[],
): { violating: PodRequest[]; others: PodRequest[] } {
  const left = budgets.map((budget) => ({
    namespace: budget.metadata?.namespace,
    matches: compileLabelSelector(budget.spec?.selector),
    allowed: budget.status?.disruptionsAllowed ?? 0,
  }));
  const violating: PodRequest[] = [];
  const others: PodRequest[] = [];
  for (const pod of pods) {
    const own = left.filter(({ namespace, matches }) => namespace === pod.namespace && matches(pod.labels));
    for (const budget of own) budget.allowed -= 1;
    (own.some(({ allowed }) => allowed < 0) ? violating : others).push(pod);
  }
  return { violating, others };
}

/** What Kubernetes adds to the explanation when nobody can make room. */
export function explainNoPreemption(nodes: number, curable: number): string {
  const parts = [
    ...(curable > 0 ? [`${curable} No preemption victims found for incoming pod`] : []),
    ...(nodes > curable ? [`${nodes - curable} Preemption is not helpful for scheduling`] : []),
  ];
  return ` preemption: 0/${nodes} nodes are available: ${parts.join(', ')}.`;
}
