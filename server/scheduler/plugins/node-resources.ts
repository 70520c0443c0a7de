import { definePlugin } from '../plugin.ts';

const scored = ['cpu', 'memory', 'pods'] as const;

/** The pod's requests fit beside what is placed already; the emptier of two nodes is better (LeastAllocated). */
export const nodeResources = definePlugin({
  name: 'NodeResourcesFit',
  filter({ amounts }, { allocatable, requested }) {
    for (const [name, amount] of amounts) {
      if ((requested[name] ?? 0) + amount > (allocatable[name] ?? 0)) {
        return name === 'pods' ? 'Too many pods' : `Insufficient ${name}`;
      }
    }
    return undefined;
  },
  score({ requests }, { allocatable, requested }) {
    let sum = 0;
    for (const name of scored) {
      const capacity = allocatable[name] ?? 0;
      if (capacity > 0)
        sum += 100 * Math.max(0, 1 - ((requested[name] ?? 0) + (requests[name] ?? 0)) / capacity);
    }
    return sum / scored.length;
  },
});
