import type { Clock } from '../../lib/clock.ts';

/**
 * Answers whether a node may have one more of something now, and counts it: `burst` at once, then one in `refillMs`.
 */
export function createNodeBudget(
  clock: Clock,
  { burst, refillMs }: { burst: number; refillMs: number },
): (node: string) => boolean {
  const budgets = new Map<string, { tokens: number; at: number }>();
  return (node) => {
    const now = clock.monotonic();
    const budget = budgets.get(node) ?? { tokens: burst, at: now };
    const tokens = Math.min(burst, budget.tokens + (now - budget.at) / refillMs);
    const allowed = tokens >= 1;
    budgets.set(node, { tokens: allowed ? tokens - 1 : tokens, at: now });
    return allowed;
  };
}
