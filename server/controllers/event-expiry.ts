import { forEachLimited } from '../../lib/for-each-limited.ts';
import type { Event } from '../../protocol/generated/models.ts';
import { eventKind } from '../../protocol/kinds/event.ts';
import { storedMeta } from '../../protocol/kinds/stored-object.ts';
import type { Registry } from '../registry/registry.ts';
import { defineController } from './define-controller.ts';
import { ignoreGone } from './expected-failures.ts';

/** Kubernetes' default. */
const lifetimeMs = 60 * 60_000;
/** However young they are: the oldest beyond this number go. */
const eventsMax = 50_000;
const sweepIntervalMs = 5 * 60_000;
const pageSize = 500;
const deletesAtOnce = 16;

/**
 * Forgets Events an hour after they were last seen. Reads them page by page now and then instead of following each:
 * nobody needs a copy of them in memory.
 */
export const eventExpiryController = defineController({
  name: 'event-expiry',
  workers: 1,
  setup({ registry, clock }, enqueue) {
    enqueue('all');
    return async () => {
      await sweepEvents(registry, clock.now());
      return { requeueAfterMs: sweepIntervalMs };
    };
  },
});

interface Dated {
  at: { namespace: string; name: string };
  resourceVersion: string;
  lastSeenMs: number;
}

async function sweepEvents(registry: Registry, nowMs: number): Promise<void> {
  const kept: Dated[] = [];
  let next: string | undefined;
  do {
    const from = next === undefined ? {} : { continue: next };
    const page = await registry.list(eventKind, { limit: pageSize, ...from });
    const dated = page.items.map(dateOf);
    const isOver = ({ lastSeenMs }: Dated) => nowMs - lastSeenMs >= lifetimeMs;
    await removeAll(registry, dated.filter(isOver));
    for (const entry of dated) if (!isOver(entry)) kept.push(entry);
    next = page.continue;
  } while (next !== undefined);
  if (kept.length <= eventsMax) return;
  kept.sort((a, b) => a.lastSeenMs - b.lastSeenMs);
  await removeAll(registry, kept.slice(0, kept.length - eventsMax));
}

/** Keeps no more of the event than its removal needs. */
function dateOf(event: Readonly<Event>): Dated {
  const { namespace = '', name, resourceVersion, creationTimestamp } = storedMeta(event);
  const seen = event.series?.lastObservedTime ?? event.lastTimestamp ?? event.eventTime ?? creationTimestamp;
  const lastSeenMs = Date.parse(seen);
  return {
    at: { namespace, name },
    resourceVersion,
    lastSeenMs: Number.isNaN(lastSeenMs) ? Date.parse(creationTimestamp) : lastSeenMs,
  };
}

/** An event that was counted again meanwhile stays. */
async function removeAll(registry: Registry, dated: readonly Dated[]): Promise<void> {
  await forEachLimited(dated, deletesAtOnce, async ({ at, resourceVersion }) => {
    const preconditions = { resourceVersion };
    await registry.delete(eventKind, at, { preconditions }).catch(ignoreGone);
  });
}
