import type { BatchStatus, RolloutBatch, RolloutCounts } from '../../../protocol/kinds/rollout-policy.ts';
import { compileLabelSelector } from '../../../protocol/selectors.ts';
import type { UnitState } from './unit-state.ts';

/** Who is updated with whom. Pure. */
export interface RolloutUnit {
  /** Of the node; unique. */
  name: string;
  /** Of the node. */
  labels: Readonly<Record<string, string>>;
  state: UnitState;
  /** A waiting one whose app holds its lock. */
  locked: boolean;
  /** What it runs now is ready. */
  ready: boolean;
  /** Hash of the template of what it runs now. */
  revision: string | undefined;
}

/** What no batch takes is updated last. */
export const restBatch = 'rest';

export function batchNames(batches: readonly Readonly<RolloutBatch>[]): string[] {
  const names = batches.map(({ name }, index) => name ?? `batch-${index + 1}`);
  return takesAll(batches) ? names : [...names, restBatch];
}

function takesAll(batches: readonly Readonly<RolloutBatch>[]): boolean {
  return batches.at(-1)?.percent === 100;
}

/** The batch of each node, as an index into `batchNames`. */
export function batchesByNode(
  batches: readonly Readonly<RolloutBatch>[],
  nodes: readonly Pick<RolloutUnit, 'name' | 'labels'>[],
): Map<string, number> {
  const chosen = new Map<string, number>();
  const selectors = batches.map(({ selector }) => selector && compileLabelSelector(selector));
  const byHash = batches.some(({ percent }) => percent !== undefined)
    ? nodes.map(({ name }) => ({ name, hash: hashOf(name) })).sort((a, b) => a.hash - b.hash)
    : [];
  for (const [index, { percent }] of batches.entries()) {
    const matches = selectors[index];
    if (matches) {
      for (const { name, labels } of nodes)
        if (!chosen.has(name) && matches({ ...labels })) chosen.set(name, index);
    } else {
      const wanted = Math.ceil(((percent ?? 100) / 100) * nodes.length);
      for (const { name } of byHash) {
        if (chosen.size >= wanted) break;
        if (!chosen.has(name)) chosen.set(name, index);
      }
    }
  }
  const rest = takesAll(batches) ? batches.length - 1 : batches.length;
  for (const { name } of nodes) if (!chosen.has(name)) chosen.set(name, rest);
  return chosen;
}

/** FNV-1a with a final mix: equal names everywhere and always have the same place in the order. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1)
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}

export function noCounts(): RolloutCounts {
  return { devices: 0, pending: 0, waiting: 0, updating: 0, healthy: 0, failed: 0, locked: 0 };
}

export function count(counts: RolloutCounts, { state, locked }: RolloutUnit): void {
  counts.devices += 1;
  counts[state] += 1;
  if (locked) counts.locked += 1;
}

/** Those outside of it were offline before delivery. */
export function reachable({ devices, pending }: RolloutCounts): number {
  return devices - pending;
}

/** How many of its reachable devices must be healthy. */
export function minHealthy(counts: RolloutCounts, healthyPercent: number): number {
  return Math.ceil((reachable(counts) * healthyPercent) / 100);
}

export function hasPassed(counts: RolloutCounts, healthyPercent: number): boolean {
  return counts.healthy >= minHealthy(counts, healthyPercent);
}

/** Enough can never be healthy any more, unless one that failed recovers. */
export function hasFailed(counts: RolloutCounts, healthyPercent: number): boolean {
  return counts.failed > reachable(counts) - minHealthy(counts, healthyPercent);
}

export function describeBatch(
  { name }: Pick<BatchStatus, 'name'>,
  counts: RolloutCounts,
  healthyPercent: number,
): string {
  const parts = (['healthy', 'updating', 'waiting', 'failed', 'locked', 'pending'] as const)
    .filter((key) => counts[key] > 0)
    .map((key) => `${counts[key]} ${key}`);
  const wanted = minHealthy(counts, healthyPercent);
  return `batch ${name}: ${parts.join(', ') || 'no devices'}; ${wanted} must be healthy`;
}
