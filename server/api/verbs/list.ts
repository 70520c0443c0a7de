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
import { acceptsGzip, negotiate, type Representation, type Transformation } from '../request/negotiation.ts';
import { sendBytes, sendValue, wantsPretty } from '../response/answer.ts';
import { partialMetadata } from '../response/partial-metadata.ts';
import { tableOf } from '../response/table.ts';

type Answer<Item = KubernetesObject> = ListAnswer<Item>;

/** A longer list is not copied into the audit log. */
const auditedItemsMax = 500;

/** Answers a list: the objects, a Table of them, or only their metadata. */
export async function listKind(exchange: ResourceExchange): Promise<void> {
  const { services, kind, audit } = exchange;
  const representation = negotiate(exchange.request.headers.accept, { transforms: true });
  const options = readListOptions(exchange);
  if (representation.as || isWhole(exchange, representation) || audit?.wantsResponse)
    return sendAnswer(exchange, await services.registry.list(kind, options), representation);
  const answer = await services.registry.listEncoded(kind, options);
  await sendItems(exchange, listEnvelope(exchange, answer), answer.items);
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
  const { as } = representation;
  if (as?.kind === 'Table') return sendTable(exchange, answer, as);
  const envelope = as
    ? { kind: 'PartialObjectMetadataList', apiVersion: as.apiVersion, metadata: listMetadata(answer) }
    : listEnvelope(exchange, answer);
  const itemOf = as ? (object: KubernetesObject) => partialMetadata(object, as.apiVersion) : listItem;
  if (isWhole(exchange, representation))
    return sendValue(exchange, 200, { ...envelope, items: answer.items.map(itemOf) }, representation);
  await sendListJson(exchange, envelope, answer.items, itemOf);
}

/** Whether the list is written in one go, for a person to read. */
function isWhole(exchange: ResourceExchange, { format }: Representation): boolean {
  return format === 'yaml' || wantsPretty(exchange);
}

function listEnvelope({ kind }: ResourceExchange, answer: Answer<unknown>): object {
  return { kind: `${kind.kind}List`, apiVersion: apiVersionOf(kind), metadata: listMetadata(answer) };
}

async function sendTable(exchange: ResourceExchange, answer: Answer, as: Transformation): Promise<void> {
  const now = exchange.services.clock.now();
  const includeObject = exchange.query.get('includeObject');
  const { apiVersion } = as;
  const table = (objects: readonly KubernetesObject[]) =>
    tableOf(exchange.kind, objects, { apiVersion, includeObject, metadata: listMetadata(answer), now });
  if (wantsPretty(exchange)) return sendValue(exchange, 200, table(answer.items), { format: 'json' });
  const { rows: _none, ...envelope } = table([]);
  await sendListJson(exchange, envelope, answer.items, (object) => table([object]).rows[0], 'rows');
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

async function sendListJson(
  exchange: ResourceExchange,
  envelope: object,
  items: readonly KubernetesObject[],
  itemOf: (object: KubernetesObject) => unknown,
  field = 'items',
): Promise<void> {
  const { audit } = exchange;
  if (audit?.wantsResponse) {
    if (items.length > auditedItemsMax) audit.leavesOutResponse();
    else audit.answered({ ...envelope, [field]: items.map(itemOf) });
  }
  await sendItems(exchange, envelope, serialised(items, itemOf), field);
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
  field = 'items',
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
