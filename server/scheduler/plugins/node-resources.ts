import type { NodeState } from '../node-state.ts';
import { definePlugin, pureJudge } from '../plugin.ts';
import type { PodRequest } from '../pod-request.ts';

const scored = ['cpu', 'memory', 'pods'] as const;

/**
 * The pod's requests fit beside what is placed already and what room is kept for; the emptier of two nodes is better
 * (LeastAllocated).
 */
export const nodeResources = definePlugin({
  name: 'NodeResourcesFit',
  open: pureJudge((pod) => {
    const { amounts, requests } = pod;
    return {
      yieldsToPreemption: true,
      filter(node) {
        const { allocatable, requested } = node;
        for (const [name, amount] of amounts) {
          const kept = node.nominated.size === 0 ? 0 : keptFor(node, pod, name);
          if ((requested[name] ?? 0) + kept + amount > (allocatable[name] ?? 0)) {
            return name === 'pods' ? 'Too many pods' : `Insufficient ${name}`;
          }
        }
        return undefined;
      },
      score({ allocatable, requested }) {
        let sum = 0;
        for (const name of scored) {
          const capacity = allocatable[name] ?? 0;
          if (capacity > 0)
            sum += 100 * Math.max(0, 1 - ((requested[name] ?? 0) + (requests[name] ?? 0)) / capacity);
        }
        return sum / scored.length;
      },
    };
  }),
});

/** What is kept for pods that made room for themselves, unless they are less important than this one. */
function keptFor(node: NodeState, pod: PodRequest, name: string): number {
  let kept = 0;
  for (const { uid, priority, requests } of node.nominated.values()) {
    if (uid !== pod.uid && priority >= pod.priority) kept += requests[name] ?? 0;
  }
  return kept;
}
