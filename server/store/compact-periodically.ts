import { type Clock, sleep } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Store } from './store.ts';

export interface CompactionOptions {
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
  /** History at least this old is forgotten, at the latest after as long again (Kubernetes keeps five minutes). */
  keepMs: number;
  /** More changes than this are not kept, however young: each costs about 100 bytes of memory. */
  keepRevisionsMax?: number;
}

const ticksPerPeriod = 10;

/**
 * Keeps the store's history bounded until `signal` aborts. Nothing is written while nothing changes. A compaction
 * that fails is logged and tried again.
 */
export async function compactPeriodically(store: Store, options: CompactionOptions): Promise<void> {
  const { clock, log, signal, keepMs, keepRevisionsMax = 200_000 } = options;
  let atPeriodStart = store.revision;
  for (let tick = 1; !signal.aborted; tick++) {
    await sleep(clock, keepMs / ticksPerPeriod, signal).catch(() => {});
    if (signal.aborted) return;
    const target = Math.max(
      tick % ticksPerPeriod === 0 ? atPeriodStart : store.floor,
      store.revision - store.floor > keepRevisionsMax ? store.revision - keepRevisionsMax / 2 : 0,
    );
    if (tick % ticksPerPeriod === 0) atPeriodStart = store.revision;
    if (target <= store.floor) continue;
    await store.compact(Math.floor(target)).catch((error: unknown) => {
      if (!signal.aborted) log.warn('store was not compacted', { error });
    });
  }
}
