import type { Fleet } from './fleet.ts';
import type { NodeState } from './node-state.ts';
import { affinityReason } from './plugins/node-affinity.ts';
import type { Judges } from './profiles.ts';

/** Where a pod shall go, or why nowhere. Pure but for the rotation that the caller passes in. */
export type Choice =
  | { type: 'node'; node: NodeState; examined: number }
  | {
      type: 'none';
      nodes: number;
      /** How many nodes gave each reason. */
      reasons: ReadonlyMap<string, number>;
      /** Nodes whose first refusal other pods' going might cure. */
      curable: readonly NodeState[];
    };

/** Enough feasible nodes to choose well among; looking at more would make a pod's cost grow with the fleet. */
const feasibleNodesMax = 100;

type Ring = Pick<Fleet, 'nodes' | 'nodeNamed'>;

/**
 * Looks at nodes from `start` on, around the ring, until enough are feasible, and takes the best; equal scores go
 * to the one seen first, so that moving `start` spreads pods. `none` means that every node was looked at.
 */
export function chooseNode(judges: Judges, fleet: Ring, start: number): Choice {
  const nodes = candidates(judges, fleet);
  const reasons = new Map<string, number>();
  const curable: NodeState[] = [];
  let best: { node: NodeState; score: number } | undefined;
  let feasible = 0;
  let examined = 0;
  while (examined < nodes.length && feasible < feasibleNodesMax) {
    const node = nodes[(start + examined) % nodes.length];
    examined += 1;
    if (!node) continue;
    const refusal = firstRefusal(judges, node);
    if (refusal) {
      reasons.set(refusal.reason, (reasons.get(refusal.reason) ?? 0) + 1);
      if (refusal.curable) curable.push(node);
      continue;
    }
    feasible += 1;
    const score = totalScore(judges, node);
    if (!best || score > best.score) best = { node, score };
  }
  if (best) return { type: 'node', node: best.node, examined };
  const notLookedAt = fleet.nodes.length - nodes.length;
  if (notLookedAt > 0) reasons.set(affinityReason, (reasons.get(affinityReason) ?? 0) + notLookedAt);
  return { type: 'none', nodes: fleet.nodes.length, reasons, curable };
}

export function fitsNode(judges: Judges, node: NodeState): boolean {
  const isCandidate = judges.every(
    ({ onlyNodes }) => onlyNodes === undefined || onlyNodes.includes(node.name),
  );
  return isCandidate && firstRefusal(judges, node) === undefined;
}

/** All nodes, or the few that can do at all. */
function candidates(judges: Judges, fleet: Ring): readonly NodeState[] {
  const only = judges.flatMap(({ onlyNodes }) => (onlyNodes ? [onlyNodes] : []));
  const [first, ...others] = only;
  if (!first) return fleet.nodes;
  return first.flatMap((name) => {
    const node = others.every((names) => names.includes(name)) ? fleet.nodeNamed(name) : undefined;
    return node ? [node] : [];
  });
}

function firstRefusal(judges: Judges, node: NodeState): { reason: string; curable: boolean } | undefined {
  for (const judge of judges) {
    const reason = judge.filter?.(node);
    if (reason !== undefined) return { reason, curable: judge.yieldsToPreemption ?? false };
  }
  return undefined;
}

function totalScore(judges: Judges, node: NodeState): number {
  let score = 0;
  for (const judge of judges) {
    if (judge.score) score += judge.weight * judge.score(node);
  }
  return score;
}

/** As Kubernetes says it: `0/5 nodes are available: 2 node(s) were unschedulable, 3 Insufficient memory.` */
export function explainNone({ nodes, reasons }: Extract<Choice, { type: 'none' }>): string {
  if (nodes === 0) return 'no nodes available to schedule pods';
  const parts = [...reasons].map(([reason, count]) => `${count} ${reason}`).sort();
  return `0/${nodes} nodes are available: ${parts.join(', ')}.`;
}
