import type { KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import { apiVersionOf } from '../../../protocol/kinds/define-kind.ts';
import type { StatusError } from '../../../protocol/status.ts';
import type { ListAnswer, WatchChange } from '../../registry/registry.ts';
import { apiLimits } from '../api-limits.ts';
import type { ResourceExchange } from '../exchange.ts';
import { readWatchOptions, type WatchOptions } from '../request/list-options.ts';
import { negotiate, type Transformation } from '../request/negotiation.ts';
import { type Chunk, chunkOf } from '../response/chunk.ts';
import { asStatusError } from '../response/errors.ts';
import { partialMetadata } from '../response/partial-metadata.ts';
import { ResponseWriter } from '../response/response-writer.ts';
import { tableOf } from '../response/table.ts';
import { withTypeMeta } from '../response/type-meta.ts';

type Change = WatchChange<KubernetesObject>;

/**
 * Streams changes as JSON frames, a line each, until the client goes, the time asked for is over or the server
 * stops. What can be refused is refused before the 200; what fails later ends the stream with an ERROR frame. A
 * reader that does not keep up is cut off by the writer.
 */
export async function watchKind(exchange: ResourceExchange): Promise<void> {
  const options = readWatchOptions(exchange);
  const { as } = negotiate(exchange.request.headers.accept, { transforms: true });
  const encoder = new FrameEncoder(exchange, as);
  const sent = exchange.services.metrics.watchEvents(exchange.kind);
  const first = await firstPage(exchange, options);
  const changes = changesAfter(exchange, options, first?.resourceVersion);
  const writer = new ResponseWriter(exchange);
  writer.open(200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-cache, private' });
  const { retired } = exchange.kind.custom ?? {};
  const onRetired = () => exchange.abort.abort();
  retired?.addEventListener('abort', onRetired);
  const timer = exchange.services.clock.after(watchDurationMs(exchange, options), () =>
    exchange.abort.abort(),
  );
  try {
    if (first) await writeInitial(exchange, options, { first, encoder, writer });
    const { signal } = exchange.abort;
    for await (const change of changes) {
      if (signal.aborted) break;
      await writer.send(encoder.encode(change));
      sent.add();
    }
  } catch (error) {
    if (!exchange.abort.signal.aborted) await writer.send(encoder.failure(asStatusError(error, exchange)));
  } finally {
    timer.cancel();
    retired?.removeEventListener('abort', onRetired);
    writer.end();
  }
}

function watchDurationMs({ services }: ResourceExchange, { timeoutSeconds }: WatchOptions): number {
  if (timeoutSeconds) return Math.min(timeoutSeconds, apiLimits.watchTimeoutSecondsMax) * 1000;
  return apiLimits.watchTimeoutSecondsDefault * (1 + services.random.fraction()) * 1000;
}

type Page = ListAnswer<KubernetesObject>;

/** Where the client wants what is there already: its first page. Objects are read and sent page by page. */
async function firstPage(
  { services, kind }: ResourceExchange,
  options: WatchOptions,
): Promise<Page | undefined> {
  const { resourceVersion, sendInitialEvents, selection } = options;
  const wanted = sendInitialEvents ?? resourceVersion === undefined;
  if (!wanted) return undefined;
  return services.registry.list(kind, {
    ...selection,
    limit: apiLimits.pageObjects,
    ...(resourceVersion === undefined ? {} : { resourceVersion, resourceVersionMatch: 'NotOlderThan' }),
  });
}

function changesAfter(
  { services, kind, abort }: ResourceExchange,
  { resourceVersion, bookmarks, selection }: WatchOptions,
  listed: string | undefined,
): AsyncIterable<Change> {
  return services.registry.watch(kind, {
    ...selection,
    bookmarks,
    resourceVersion: listed ?? resourceVersion ?? services.registry.resourceVersion,
    signal: abort.signal,
  });
}

async function writeInitial(
  { services, kind, abort }: ResourceExchange,
  { selection, sendInitialEvents }: WatchOptions,
  { first, encoder, writer }: { first: Page; encoder: FrameEncoder; writer: ResponseWriter },
): Promise<void> {
  for (let page = first; ; ) {
    for (const chunk of joined(page.items.map((object) => encoder.lineOf({ type: 'ADDED', object }))))
      await writer.send(chunk);
    if (!page.continue || abort.signal.aborted) break;
    page = await services.registry.list(kind, {
      ...selection,
      limit: apiLimits.pageObjects,
      continue: page.continue,
    });
  }
  if (sendInitialEvents) await writer.send(encoder.initialEventsEnd(first.resourceVersion));
}

/** Many small frames as a few larger ones. */
function* joined(lines: readonly string[]): Generator<Chunk> {
  let text = '';
  for (const line of lines) {
    text += line;
    if (text.length < apiLimits.listChunkBytes) continue;
    yield chunkOf(text);
    text = '';
  }
  if (text !== '') yield chunkOf(text);
}

const initialEventsEnd = { 'k8s.io/initial-events-end': 'true' };

/** Makes frames in one watcher's representation, through the cache that all watchers share. */
class FrameEncoder {
  readonly #exchange: ResourceExchange;
  readonly #as: Transformation | undefined;
  readonly #representation: string;
  /** The columns go with the first frame of a table only. */
  #headless = false;

  constructor(exchange: ResourceExchange, as: Transformation | undefined) {
    this.#exchange = exchange;
    this.#as = as;
    const shape = as ? `${as.kind} ${as.apiVersion} ${exchange.query.get('includeObject') ?? ''}` : '';
    const { kind } = exchange;
    this.#representation = `${apiVersionOf(kind)}/${kind.plural} ${kind.custom?.id ?? ''} ${shape}`;
  }

  encode(change: Change): Chunk {
    if (change.type === 'BOOKMARK') return this.#bookmark(change.resourceVersion, undefined);
    const { encodedEvents } = this.#exchange.services;
    const event = { representation: this.#nextRepresentation(), type: change.type, object: change.object };
    const frame = encodedEvents.frame(event, () => chunkOf(this.lineOf(change)));
    this.#headless = true;
    return frame;
  }

  /** A table has ages, and its first frame the columns. */
  #nextRepresentation(): string {
    if (this.#as?.kind !== 'Table') return this.#representation;
    const seconds = Math.floor(this.#exchange.services.clock.now() / 1000);
    return `${this.#representation} ${this.#headless} ${seconds}`;
  }

  lineOf({ type, object }: Exclude<Change, { type: 'BOOKMARK' }>): string {
    return lineOf(type, this.#shape(object));
  }

  initialEventsEnd(resourceVersion: string): Chunk {
    return this.#bookmark(resourceVersion, initialEventsEnd);
  }

  failure(error: StatusError): Chunk {
    return frameOf('ERROR', error.toStatus());
  }

  #bookmark(resourceVersion: string, annotations: Record<string, string> | undefined): Chunk {
    const metadata = { resourceVersion, creationTimestamp: null, ...(annotations ? { annotations } : {}) };
    const object = { metadata: metadata as unknown as KubernetesObject['metadata'] } as KubernetesObject;
    if (this.#as?.kind !== 'Table') return frameOf('BOOKMARK', this.#shape(object));
    const { apiVersion } = this.#as;
    const rows = [{ cells: [], object: partialMetadata(object, apiVersion) }];
    return frameOf('BOOKMARK', {
      kind: 'Table',
      apiVersion,
      metadata: { resourceVersion },
      columnDefinitions: [],
      rows,
    });
  }

  #shape(object: KubernetesObject): unknown {
    const as = this.#as;
    const { kind, query, services } = this.#exchange;
    if (!as) return withTypeMeta(kind, object);
    if (as.kind !== 'Table') return partialMetadata(object, as.apiVersion);
    const headless = this.#headless;
    this.#headless = true;
    return tableOf(kind, [object], {
      apiVersion: as.apiVersion,
      includeObject: query.get('includeObject'),
      metadata: { resourceVersion: object.metadata?.resourceVersion ?? '' },
      now: services.clock.now(),
      headless,
    });
  }
}

function frameOf(type: string, object: unknown): Chunk {
  return chunkOf(lineOf(type, object));
}

function lineOf(type: string, object: unknown): string {
  return `{"type":"${type}","object":${JSON.stringify(object)}}\n`;
}
