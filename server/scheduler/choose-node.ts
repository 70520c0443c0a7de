import type { NodeState, PodRequest } from './node-state.ts';
import type { SchedulerPlugin } from './plugin.ts';

/** Where a pod shall go, or why nowhere. Pure but for the rotation that the caller passes in. */
export type Choice =
  | { type: 'node'; node: NodeState; examined: number }
  /** How many nodes gave each reason. */
  | { type: 'none'; nodes: number; reasons: ReadonlyMap<string, number> };

/** Enough feasible nodes to choose well among; looking at more would make a pod's cost grow with the fleet. */
const feasibleNodesMax = 100;

/**
 * Looks at nodes from `start` on, around the ring, until enough are feasible, and takes the best; equal scores go to the one seen
 * first, so that moving `start` spreads pods.
 */
export function chooseNode(
  pod: PodRequest,
  nodes: readonly NodeState[],
  plugins: readonly SchedulerPlugin[],
  start: number,
): Choice {
  const filters = plugins.filter(({ filter }) => filter !== undefined);
  const scorers = plugins.filter(({ score }) => score !== undefined);
  const reasons = new Map<string, number>();
  let best: { node: NodeState; score: number } | undefined;
  let feasible = 0;
  let examined = 0;
  while (examined < nodes.length && feasible < feasibleNodesMax) {
    const node = nodes[(start + examined) % nodes.length];
    examined += 1;
    if (!node) continue;
    const reason = firstReason(pod, node, filters);
    if (reason !== undefined) {
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
      continue;
    }
    feasible += 1;
    const score = totalScore(pod, node, scorers);
    if (!best || score > best.score) best = { node, score };
  }
  return best ? { type: 'node', node: best.node, examined } : { type: 'none', nodes: nodes.length, reasons };
}

function firstReason(
  pod: PodRequest,
  node: NodeState,
  filters: readonly SchedulerPlugin[],
): string | undefined {
  for (const plugin of filters) {
    const reason = plugin.filter?.(pod, node);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

function totalScore(pod: PodRequest, node: NodeState, scorers: readonly SchedulerPlugin[]): number {
  let score = 0;
  for (const plugin of scorers) score += (plugin.weight ?? 1) * (plugin.score?.(pod, node) ?? 0);
  return score;
}

/** As Kubernetes says it: `0/5 nodes are available: 3 Insufficient memory, 2 node(s) were unschedulable.` */
export function explainNone(choice: Extract<Choice, { type: 'none' }>): string {
  if (choice.nodes === 0) return 'no nodes available to schedule pods';
  const parts = [...choice.reasons].map(([reason, count]) => `${count} ${reason}`).sort();
  return `0/${choice.nodes} nodes are available: ${parts.join(', ')}.`;
}
