import { Readable, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGzip } from 'node:zlib';
import { sleep } from '../../../lib/clock.ts';
import { apiVersionOf, type KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import type { ListAnswer } from '../../registry/registry.ts';
import { apiLimits } from '../api-limits.ts';
import type { ResourceExchange } from '../exchange.ts';
import { readListOptions } from '../request/list-options.ts';
import { acceptsGzip, negotiate, type Transformation } from '../request/negotiation.ts';
import { sendBytes, sendValue, wantsPretty } from '../response/answer.ts';
import { partialMetadata } from '../response/partial-metadata.ts';
import { tableOf } from '../response/table.ts';

type Answer = ListAnswer<KubernetesObject>;

/** A longer list is not copied into the audit log. */
const auditedItemsMax = 500;

/** Answers a list: the objects, a Table of them, or only their metadata. */
export async function listKind(exchange: ResourceExchange): Promise<void> {
  await sendList(exchange, () => exchange.services.registry.list(exchange.kind, readListOptions(exchange)));
}

/** Answers with what `read` finds, which is not begun when the client takes no form that there is. */
export async function sendList(exchange: ResourceExchange, read: () => Promise<Answer>): Promise<void> {
  const representation = negotiate(exchange.request.headers.accept, { transforms: true });
  const answer = await read();
  const { as } = representation;
  if (as?.kind === 'Table') return sendTable(exchange, answer, as);
  const head = as
    ? { kind: 'PartialObjectMetadataList', apiVersion: as.apiVersion }
    : { kind: `${exchange.kind.kind}List`, apiVersion: apiVersionOf(exchange.kind) };
  const itemOf = as ? (object: KubernetesObject) => partialMetadata(object, as.apiVersion) : listItem;
  const envelope = { ...head, metadata: listMetadata(answer) };
  if (representation.format === 'yaml' || wantsPretty(exchange))
    return sendValue(exchange, 200, { ...envelope, items: answer.items.map(itemOf) }, representation);
  await sendListJson(exchange, envelope, answer.items, itemOf);
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

function listMetadata({ resourceVersion, continue: next, remainingItemCount }: Answer) {
  return {
    resourceVersion,
    ...(next ? { continue: next } : {}),
    ...(next && remainingItemCount !== undefined ? { remainingItemCount } : {}),
  };
}

/**
 * Serialises item by item, so that a list of many thousands neither stands in memory as one string nor stops everybody
 * else: what is small goes out whole, the rest streams.
 */
async function sendListJson(
  exchange: ResourceExchange,
  envelope: object,
  items: readonly KubernetesObject[],
  itemOf: (object: KubernetesObject) => unknown,
  field = 'items',
): Promise<void> {
  const { request, response, services, abort, audit } = exchange;
  const { clock } = services;
  if (audit?.wantsResponse) {
    if (items.length > auditedItemsMax) audit.leavesOutResponse();
    else audit.answered({ ...envelope, [field]: items.map(itemOf) });
  }
  const chunks = listChunks(envelope, items, itemOf, field);
  const first = chunks.next();
  const second = chunks.next();
  if (second.done) return sendBytes(exchange, 200, Buffer.from(first.value ?? ''), 'application/json');
  const zip: Transform[] = [];
  if (acceptsGzip(request.headers['accept-encoding'])) {
    zip.push(createGzip({ level: constants.Z_BEST_SPEED }));
    response.setHeader('Content-Encoding', 'gzip');
  }
  response.writeHead(200, { 'Content-Type': 'application/json', Vary: 'Accept-Encoding' });
  const source = async function* () {
    yield first.value ?? '';
    yield second.value;
    let since = clock.monotonic();
    for (const chunk of chunks) {
      // A pause is a millisecond at least, however short it is asked to be: not after every chunk.
      if (clock.monotonic() - since >= apiLimits.listSliceMs) {
        await sleep(clock, 0, abort.signal);
        since = clock.monotonic();
      }
      yield chunk;
    }
  };
  await pipeline([Readable.from(source()), ...zip, response]);
}

function* listChunks(
  envelope: object,
  items: readonly KubernetesObject[],
  itemOf: (object: KubernetesObject) => unknown,
  field: string,
): Generator<string, undefined> {
  let text = `${JSON.stringify(envelope).slice(0, -1)},"${field}":[`;
  let separator = '';
  for (const item of items) {
    text += separator + JSON.stringify(itemOf(item));
    separator = ',';
    if (text.length >= apiLimits.listChunkBytes) {
      yield text;
      text = '';
    }
  }
  yield `${text}]}\n`;
}
