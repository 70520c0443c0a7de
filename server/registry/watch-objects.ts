import type { Clock } from '../../lib/clock.ts';
import type { KindDefinition, KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import type { Entry, WatchEvent } from '../store/store.ts';
import type { RegistryContext } from './context.ts';
import { asStatusError, expired, isStoreError, tooLargeVersion } from './failures.ts';
import { pages } from './list-objects.ts';
import { parseVersion } from './list-position.ts';
import type { WatchChange, WatchRequest } from './registry.ts';
import { type CompiledSelection, compileSelection } from './selection.ts';
import { decodeEntries } from './stored-form.ts';

const bookmarkIntervalMs = 30_000;

/** Checks the request at once; reads when the answer is iterated. */
export function watchObjects<T extends KubernetesObject>(
  context: RegistryContext,
  kind: KindDefinition<T>,
  request: WatchRequest,
): AsyncIterable<WatchChange<T>> {
  const watch: Watch<T> = { kind, selection: compileSelection(kind, request), request };
  const version = parseVersion(request.resourceVersion ?? '');
  return version > 0 ? changesAfter(context, watch, version) : stateThenChanges(context, watch);
}

interface Watch<T extends KubernetesObject> {
  readonly kind: KindDefinition<T>;
  readonly selection: CompiledSelection<T>;
  readonly request: WatchRequest;
}

async function* stateThenChanges<T extends KubernetesObject>(
  context: RegistryContext,
  watch: Watch<T>,
): AsyncGenerator<WatchChange<T>> {
  const { kind, selection, request } = watch;
  let revision = 0;
  try {
    for await (const page of pages(context, selection, {})) {
      ({ revision } = page);
      const converted = kind.custom?.conversion?.convert ? await decodeEntries(kind, page.entries) : [];
      for (const [index, entry] of page.entries.entries()) {
        const object = converted[index] ?? context.decoded.decode(kind, entry);
        if (!selection.matches || selection.matches(object)) yield { type: 'ADDED', object };
        if (request.signal.aborted) return;
      }
    }
  } catch (error) {
    throw asStatusError(error);
  }
  yield* changesAfter(context, watch, revision);
}

/**
 * A watcher that was cut off because it read too slowly goes on from where it was, out of the store's history, which
 * costs no memory; only when that history is gone must it list again.
 */
async function* changesAfter<T extends KubernetesObject>(
  context: RegistryContext,
  watch: Watch<T>,
  fromRevision: number,
): AsyncGenerator<WatchChange<T>> {
  const { store, clock, converting } = context;
  const { kind, request } = watch;
  const { prefix, exactKey } = watch.selection;
  const bookmarkDue = bookmarkTimer(clock, request);
  const converts = kind.custom?.conversion?.convert !== undefined;
  let reached = fromRevision;
  for (;;) {
    const startedAt = reached;
    try {
      for await (const { revision, events } of store.watch(prefix, reached, { signal: request.signal })) {
        reached = revision;
        let sent = false;
        for (const event of events) {
          if (exactKey !== undefined && event.key !== exactKey) continue;
          if (converts) await converting.prepare(kind, entriesOf(event));
          const change = changeOf(context, watch, event);
          if (!change) continue;
          sent = true;
          yield change;
        }
        if (!sent && bookmarkDue()) yield { type: 'BOOKMARK', resourceVersion: String(revision) };
      }
      return;
    } catch (error) {
      if (isStoreError(error, 'WatchOverflow') && reached > startedAt) continue;
      if (isStoreError(error, 'FutureRevision')) throw tooLargeVersion(reached, store.revision, error);
      if (!isStoreError(error, 'Compacted', 'WatchOverflow')) throw asStatusError(error);
      throw expired(`too old resource version: ${reached} (${store.revision})`, error);
    }
  }
}

function entriesOf({ key, revision, value, previous }: WatchEvent): Entry[] {
  return [...(previous ? [previous] : []), ...(value ? [{ key, revision, value }] : [])];
}

/** What a store event means to a watcher that sees only what its selection matches. */
function changeOf<T extends KubernetesObject>(
  { events }: RegistryContext,
  { kind, selection: { matches } }: Watch<T>,
  event: WatchEvent,
): WatchChange<T> | undefined {
  const decoded = events.of(kind, event);
  const { next } = decoded;
  if (!matches) {
    if (next) return { type: event.previous ? 'MODIFIED' : 'ADDED', object: next };
    return decoded.gone && { type: 'DELETED', object: decoded.gone };
  }
  const matched = decoded.last !== undefined && matches(decoded.last);
  if (next && matches(next)) return { type: matched ? 'MODIFIED' : 'ADDED', object: next };
  return matched && decoded.gone ? { type: 'DELETED', object: decoded.gone } : undefined;
}

/** Says whether a bookmark is wanted now; never twice within the interval. */
function bookmarkTimer(clock: Clock, request: WatchRequest): () => boolean {
  if (!request.bookmarks) return () => false;
  const intervalMs = request.bookmarkIntervalMs ?? bookmarkIntervalMs;
  let last = clock.monotonic();
  return () => {
    const now = clock.monotonic();
    if (now - last < intervalMs) return false;
    last = now;
    return true;
  };
}
