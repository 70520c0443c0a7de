import type { Clock } from '../../lib/clock.ts';

/**
 * Keeps events from growing with what goes wrong (source: client-go, tools/record EventCorrelator): an object may
 * have so many events of one source at once and then one in so many minutes, and events that differ only in their
 * message are told as one when there are too many of them. Remembers only the objects heard of last.
 */
export interface EventLimits {
  /** Whether one more event of `source` about the object `uid` may be written; counts it. */
  admits(source: string, uid: string): boolean;
  /** Whether this message is one too many of those that differ in nothing else; `group` names what they share. */
  isOneOfMany(group: string, message: string): boolean;
}

const burstEvents = 25;
const refillMs = 5 * 60_000;
const similarMessagesMax = 10;
const similarWindowMs = 10 * 60_000;
const rememberedMax = 4096;

export function createEventLimits(clock: Clock): EventLimits {
  const budgets = new Map<string, { tokens: number; atMs: number }>();
  const groups = new Map<string, { messages: Set<string>; atMs: number }>();
  return {
    admits(source, uid) {
      const now = clock.monotonic();
      const key = `${source}/${uid}`;
      const before = budgets.get(key) ?? { tokens: burstEvents, atMs: now };
      const tokens = Math.min(burstEvents, before.tokens + (now - before.atMs) / refillMs);
      const admitted = tokens >= 1;
      remember(budgets, key, { tokens: admitted ? tokens - 1 : tokens, atMs: now });
      return admitted;
    },
    isOneOfMany(group, message) {
      const now = clock.monotonic();
      const before = groups.get(group);
      const recent = before && now - before.atMs < similarWindowMs ? before.messages : new Set<string>();
      const isNew = !recent.has(message);
      if (isNew && recent.size < similarMessagesMax) recent.add(message);
      remember(groups, group, { messages: recent, atMs: now });
      return isNew && !recent.has(message);
    },
  };
}

/** Puts the entry last and forgets the first beyond the limit. */
function remember<V>(entries: Map<string, V>, key: string, value: V): void {
  entries.delete(key);
  entries.set(key, value);
  if (entries.size <= rememberedMax) return;
  const [oldest] = entries.keys();
  if (oldest !== undefined) entries.delete(oldest);
}
