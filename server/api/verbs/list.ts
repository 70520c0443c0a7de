import { Readable, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGzip } from 'node:zlib';
import { nextTurn } from '../../../lib/next-turn.ts';
import { apiVersionOf, type KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import type { EncodedItem } from '../../registry/encoded-items.ts';
import type { ListAnswer } from '../../registry/registry.ts';
import { apiLimits } from '../api-limits.ts';
import type { ResourceExchange } from '../exchange.ts';
import { readListOptions } from '../request/list-options.ts';
import { acceptsGzip, negotiate, type Representation } from '../request/negotiation.ts';
import { sendBytes, sendValue, wantsPretty } from '../response/answer.ts';
import { partialMetadata } from '../response/partial-metadata.ts';
import { tableOf, tableRow } from '../response/table.ts';

type Answer<Item = KubernetesObject> = ListAnswer<Item>;

/** A longer list is not copied into the audit log. */
const auditedItemsMax = 500;

/** Answers a list: the objects, a Table of them, or only their metadata. */
export async function listKind(exchange: ResourceExchange): Promise<void> {
  const { services, kind, audit } = exchange;
  const representation = negotiate(exchange.request.headers.accept, { transforms: true });
  const options = readListOptions(exchange);
  if (isWhole(exchange, representation) || audit?.wantsResponse)
    return sendAnswer(exchange, await services.registry.list(kind, options), representation);
  const { envelope, field, itemOf } = shapeOf(exchange, representation);
  const answer = await services.registry.listEncoded(kind, options, itemOf);
  await sendItems(exchange, envelope(answer), answer.items, field);
}

/** Answers with what `read` finds, which is not begun when the client takes no form that there is. */
export async function sendList(exchange: ResourceExchange, read: () => Promise<Answer>): Promise<void> {
  const representation = negotiate(exchange.request.headers.accept, { transforms: true });
  await sendAnswer(exchange, await read(), representation);
}

async function sendAnswer(
  exchange: ResourceExchange,
  answer: Answer,
  representation: Representation,
): Promise<void> {
  const { audit } = exchange;
  const { envelope, field, itemOf = listItem } = shapeOf(exchange, representation);
  const around = envelope(answer);
  const whole = () => ({ ...around, [field]: answer.items.map(itemOf) });
  if (isWhole(exchange, representation)) {
    const format = representation.as?.kind === 'Table' ? 'json' : representation.format;
    return sendValue(exchange, 200, whole(), { format });
  }
  if (audit?.wantsResponse) {
    if (answer.items.length > auditedItemsMax) audit.leavesOutResponse();
    else audit.answered(whole());
  }
  await sendItems(exchange, around, serialised(answer.items, itemOf), field);
}

/** Whether the list is written in one go, for a person to read. */
function isWhole(exchange: ResourceExchange, { format, as }: Representation): boolean {
  return (format === 'yaml' && as?.kind !== 'Table') || wantsPretty(exchange);
}

/** What is around the items of a list, and what is made of each; without `itemOf` the objects as they are. */
interface ListShape {
  readonly envelope: (answer: Answer<unknown>) => object;
  readonly field: 'items' | 'rows';
  readonly itemOf?: (object: KubernetesObject) => unknown;
}

function shapeOf({ kind, query, services }: ResourceExchange, { as }: Representation): ListShape {
  if (as?.kind === 'Table') {
    const { apiVersion } = as;
    const options = { apiVersion, includeObject: query.get('includeObject'), now: services.clock.now() };
    return {
      envelope(answer) {
        const { rows: _none, ...head } = tableOf(kind, [], { ...options, metadata: listMetadata(answer) });
        return head;
      },
      field: 'rows',
      itemOf: (object) => tableRow(kind, object, options),
    };
  }
  const head = as
    ? { kind: 'PartialObjectMetadataList', apiVersion: as.apiVersion }
    : { kind: `${kind.kind}List`, apiVersion: apiVersionOf(kind) };
  return {
    envelope: (answer) => ({ ...head, metadata: listMetadata(answer) }),
    field: 'items',
    ...(as ? { itemOf: (object: KubernetesObject) => partialMetadata(object, as.apiVersion) } : {}),
  };
}

/** Items of a list carry no kind and version of their own: the list's says it. */
function listItem({ kind: _kind, apiVersion: _apiVersion, ...object }: KubernetesObject): KubernetesObject {
  return object;
}

function listMetadata({ resourceVersion, continue: next, remainingItemCount }: Answer<unknown>) {
  return {
    resourceVersion,
    ...(next ? { continue: next } : {}),
    ...(next && remainingItemCount !== undefined ? { remainingItemCount } : {}),
  };
}

function* serialised(
  items: readonly KubernetesObject[],
  itemOf: (object: KubernetesObject) => unknown,
): Generator<EncodedItem> {
  for (const item of items) yield { head: JSON.stringify(itemOf(item)) };
}

/**
 * Writes item by item, so that a list of many thousands neither stands in memory as one piece nor stops everybody else: what
 * is small goes out whole, the rest streams.
 */
async function sendItems(
  exchange: ResourceExchange,
  envelope: object,
  items: Iterable<EncodedItem>,
  field: string,
): Promise<void> {
  const { request, response, services, abort } = exchange;
  const { clock } = services;
  const chunks = listChunks(envelope, items, field);
  const first = chunks.next();
  const second = chunks.next();
  if (first.done || second.done)
    return sendBytes(exchange, 200, first.value ?? Buffer.alloc(0), 'application/json');
  const zip: Transform[] = [];
  if (acceptsGzip(request.headers['accept-encoding'])) {
    zip.push(createGzip({ level: constants.Z_BEST_SPEED }));
    response.setHeader('Content-Encoding', 'gzip');
  }
  response.writeHead(200, { 'Content-Type': 'application/json', Vary: 'Accept-Encoding' });
  const source = async function* () {
    yield first.value;
    yield second.value;
    let since = clock.monotonic();
    for (const chunk of chunks) {
      if (clock.monotonic() - since >= apiLimits.listSliceMs) {
        await nextTurn();
        abort.signal.throwIfAborted();
        since = clock.monotonic();
      }
      yield chunk;
    }
  };
  await pipeline([Readable.from(source()), ...zip, response]);
}

function* listChunks(
  envelope: object,
  items: Iterable<EncodedItem>,
  field: string,
): Generator<Buffer, undefined> {
  let pieces: Uint8Array[] = [];
  let size = 0;
  let text = `${JSON.stringify(envelope).slice(0, -1)},"${field}":[`;
  let separator = '';
  for (const { head, tail } of items) {
    text += separator + head;
    separator = ',';
    if (tail) {
      pieces.push(Buffer.from(text), tail);
      size += text.length + tail.length;
      text = '';
    }
    if (size + text.length < apiLimits.listChunkBytes) continue;
    yield Buffer.concat([...pieces, Buffer.from(text)]);
    pieces = [];
    size = 0;
    text = '';
  }
  yield Buffer.concat([...pieces, Buffer.from(`${text}]}\n`)]);
}
