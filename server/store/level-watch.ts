import type { History } from './history.ts';
import { closed } from './level-handle.ts';
import type { LevelReader } from './level-reader.ts';
import type { WatchBatch } from './store.ts';
import type { WatchHub } from './watch-hub.ts';
import { checkReadable } from './write-request.ts';

export interface WatchSource {
  history: History;
  reader: LevelReader;
  hub: WatchHub;
  closed: AbortSignal;
  replayEventsMax: number;
}

/**
 * First what the log remembers after `fromRevision`, in steps as the reader takes them, then the hub's live
 * batches. The watcher joins the hub in the very step that finds nothing left to replay, so nothing is missed or
 * told twice.
 */
export async function* watchLevel(
  source: WatchSource,
  prefix: string,
  fromRevision: number,
  signal: AbortSignal,
): AsyncGenerator<WatchBatch, void, undefined> {
  const { history, reader, hub, replayEventsMax } = source;
  if (source.closed.aborted) throw closed();
  checkReadable(fromRevision, history);
  let position = fromRevision;
  while (!signal.aborted && !source.closed.aborted) {
    checkReadable(position, history);
    const { versions, through } = history.changesAfter(prefix, position, replayEventsMax);
    if (versions.length === 0) break;
    position = through;
    const events = await reader.events(versions);
    if (signal.aborted) return;
    yield { revision: position, events };
  }
  if (signal.aborted || source.closed.aborted) return;
  const watcher = hub.join(prefix);
  const leave = () => {
    hub.leave(prefix, watcher);
    watcher.end();
  };
  signal.addEventListener('abort', leave, { once: true });
  try {
    if (watcher.position > position) yield { revision: watcher.position, events: [] };
    for (let batch = await watcher.take(); batch; batch = await watcher.take()) yield batch;
  } finally {
    signal.removeEventListener('abort', leave);
    leave();
  }
}
