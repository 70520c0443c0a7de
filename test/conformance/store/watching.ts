import assert from 'node:assert/strict';
import type { Store, WatchBatch, WatchEvent } from '../../../server/store/store.ts';
import { text } from './drivers.ts';

/** A change in one line: `put key=value @revision (was value @revision)`. */
export function describeEvent(event: WatchEvent): string {
  const value = event.value ? `=${text(event.value)}` : '';
  const { previous } = event;
  const was = previous ? ` (was ${text(previous.value)} @${previous.revision})` : '';
  if (previous) assert.equal(previous.key, event.key);
  return `${event.type} ${event.key}${value} @${event.revision}${was}`;
}

/** Reads batches until the watch has told everything up to `revision`; then leaves it. */
export async function changesUpTo(
  store: Store,
  { prefix = '', from = 0, revision = store.revision }: { prefix?: string; from?: number; revision?: number },
): Promise<string[]> {
  const stop = new AbortController();
  const found: string[] = [];
  let position = from;
  if (position === revision) return [];
  for await (const batch of store.watch(prefix, from, { signal: stop.signal })) {
    checkOrder(batch, position);
    position = batch.revision;
    found.push(...batch.events.map(describeEvent));
    if (position >= revision) break;
  }
  return found;
}

/** A batch lies after the one before it, its events in revision order and none beyond its revision. */
export function checkOrder(batch: WatchBatch, after: number): void {
  let last = after + 1;
  for (const { revision } of batch.events) {
    assert.ok(revision >= last, `event at ${revision} after one at ${last}`);
    last = revision;
  }
  assert.ok(batch.revision >= last || batch.events.length === 0, 'an event lies beyond its batch');
  assert.ok(batch.revision > after, 'a batch repeats what was told');
}
