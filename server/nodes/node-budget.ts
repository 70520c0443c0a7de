import type { Clock } from '../../lib/clock.ts';

/**
 * One node may have this many events written at once, and then one in so many milliseconds: a crash loop must not
 * flood the store.
 */
const burstEvents = 25;
const refillMs = 1_000;

/** Answers whether a node may have one more event written now, and counts it. */
export function createEventBudget(clock: Clock): (node: string) => boolean {
  const budgets = new Map<string, { tokens: number; at: number }>();
  return (node) => {
    const now = clock.monotonic();
    const budget = budgets.get(node) ?? { tokens: burstEvents, at: now };
    const tokens = Math.min(burstEvents, budget.tokens + (now - budget.at) / refillMs);
    const allowed = tokens >= 1;
    budgets.set(node, { tokens: allowed ? tokens - 1 : tokens, at: now });
    return allowed;
  };
}
