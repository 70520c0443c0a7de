import type { NodeState } from './node-state.ts';
import type { SchedulerPlugin } from './plugin.ts';
import { affinityReason } from './plugins/node-affinity.ts';
import type { PodRequest } from './pod-request.ts';

/** Where a pod shall go, or why nowhere. Pure but for the rotation that the caller passes in. */
export type Choice =
  | { type: 'node'; node: NodeState; examined: number }
  /** How many nodes gave each reason. */
  | { type: 'none'; nodes: number; reasons: ReadonlyMap<string, number> };

/** Enough feasible nodes to choose well among; looking at more would make a pod's cost grow with the fleet. */
const feasibleNodesMax = 100;

/**
 * Looks at nodes from `start` on, around the ring, until enough are feasible, and takes the best; equal scores go
 * to the one seen first, so that moving `start` spreads pods. `none` means that every node was looked at.
 */
export function chooseNode(
  pod: PodRequest,
  nodes: readonly NodeState[],
  plugins: readonly SchedulerPlugin[],
  start: number,
): Choice {
  const concerned = concernedPlugins(pod, plugins);
  const reasons = new Map<string, number>();
  let best: { node: NodeState; score: number } | undefined;
  let feasible = 0;
  let examined = 0;
  while (examined < nodes.length && feasible < feasibleNodesMax) {
    const node = nodes[(start + examined) % nodes.length];
    examined += 1;
    if (!node) continue;
    const reason = firstReason(pod, node, concerned);
    if (reason !== undefined) {
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
      continue;
    }
    feasible += 1;
    const score = totalScore(pod, node, concerned);
    if (!best || score > best.score) best = { node, score };
  }
  return best ? { type: 'node', node: best.node, examined } : { type: 'none', nodes: nodes.length, reasons };
}

/**
 * For a pod that names its nodes, as those of a DaemonSet do: only these are looked at, so that such a pod costs the same
 * on any fleet. `fleetSize` is what the explanation counts.
 */
export function chooseNamedNode(
  pod: PodRequest,
  named: readonly NodeState[],
  plugins: readonly SchedulerPlugin[],
  fleetSize: number,
): Choice {
  const choice = chooseNode(pod, named, plugins, 0);
  if (choice.type === 'node') return { ...choice, examined: 0 };
  const reasons = new Map(choice.reasons);
  const others = fleetSize - named.length;
  if (others > 0) reasons.set(affinityReason, (reasons.get(affinityReason) ?? 0) + others);
  return { type: 'none', nodes: fleetSize, reasons };
}

export function fitsNode(pod: PodRequest, node: NodeState, plugins: readonly SchedulerPlugin[]): boolean {
  return firstReason(pod, node, concernedPlugins(pod, plugins)) === undefined;
}

function concernedPlugins(pod: PodRequest, plugins: readonly SchedulerPlugin[]): readonly SchedulerPlugin[] {
  return plugins.filter(({ concerns }) => concerns === undefined || concerns(pod));
}

function firstReason(
  pod: PodRequest,
  node: NodeState,
  plugins: readonly SchedulerPlugin[],
): string | undefined {
  for (const plugin of plugins) {
    const reason = plugin.filter?.(pod, node);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

function totalScore(pod: PodRequest, node: NodeState, plugins: readonly SchedulerPlugin[]): number {
  let score = 0;
  for (const plugin of plugins) {
    if (plugin.score) score += (plugin.weight ?? 1) * plugin.score(pod, node);
  }
  return score;
}

/** As Kubernetes says it: `0/5 nodes are available: 2 node(s) were unschedulable, 3 Insufficient memory.` */
export function explainNone(choice: Extract<Choice, { type: 'none' }>): string {
  if (choice.nodes === 0) return 'no nodes available to schedule pods';
  const parts = [...choice.reasons].map(([reason, count]) => `${count} ${reason}`).sort();
  return `0/${choice.nodes} nodes are available: ${parts.join(', ')}.`;
}
