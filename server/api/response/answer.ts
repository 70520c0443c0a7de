import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import * as yaml from 'yaml';
import type { KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import type { Status, StatusError } from '../../../protocol/status.ts';
import { apiLimits } from '../api-limits.ts';
import type { Exchange, ResourceExchange } from '../exchange.ts';
import { acceptsGzip, negotiate, type Representation } from '../request/negotiation.ts';
import { isTrue } from '../request/request-info.ts';
import { partialMetadata } from './partial-metadata.ts';
import { tableOf } from './table.ts';
import { withTypeMeta } from './type-meta.ts';

const compress = promisify(gzip);

/** Answers with one object of the exchange's kind, or a Table or PartialObjectMetadata of it when asked for. */
export async function sendKindObject(
  exchange: ResourceExchange,
  code: number,
  object: KubernetesObject,
): Promise<void> {
  const representation = negotiate(exchange.request.headers.accept, { transforms: true });
  const shaped = shapeObject(exchange, object, representation);
  await sendValue(exchange, code, shaped, representation);
}

function shapeObject(exchange: ResourceExchange, object: KubernetesObject, { as }: Representation): object {
  if (!as) return withTypeMeta(exchange.kind, object);
  if (as.kind !== 'Table') return partialMetadata(object, as.apiVersion);
  return tableOf(exchange.kind, [object], {
    apiVersion: as.apiVersion,
    includeObject: exchange.query.get('includeObject'),
    metadata: { resourceVersion: object.metadata?.resourceVersion ?? '' },
    now: exchange.services.clock.now(),
  });
}

/** Answers with something that is no kind of the registry (a Status, a Scale, discovery, …). */
export async function sendPlain(exchange: Exchange, code: number, value: object): Promise<void> {
  await sendValue(exchange, code, value, negotiate(exchange.request.headers.accept, { transforms: false }));
}

/** Answers with a failure. Never throws, whatever the client accepts. */
export async function sendError(exchange: PartialExchange, error: StatusError): Promise<void> {
  const { response } = exchange;
  const { retryAfterSeconds } = error.details;
  if (retryAfterSeconds !== undefined) response.setHeader('Retry-After', retryAfterSeconds);
  await sendValue(exchange, error.code, error.toStatus(), { format: 'json' });
}

/** What of an exchange exists even when the request was refused before it was understood. */
export type PartialExchange = Pick<Exchange, 'request' | 'response' | 'query' | 'audit'>;

/** The answer to a POST that creates nothing that could be shown. */
export async function sendCreatedStatus(exchange: Exchange): Promise<void> {
  const { details: _none, ...status } = successStatus({});
  await sendPlain(exchange, 201, { ...status, code: 201 });
}

export function successStatus(details: {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
}): Status {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details, code: 200 };
}

export async function sendValue(
  exchange: PartialExchange,
  code: number,
  value: object,
  { format }: Pick<Representation, 'format'>,
  contentType = `application/${format}`,
): Promise<void> {
  exchange.audit?.answered(value);
  const text =
    format === 'yaml'
      ? yaml.stringify(value, { aliasDuplicateObjects: false, lineWidth: 0 })
      : jsonText(value, wantsPretty(exchange));
  await sendBytes(exchange, code, Buffer.from(text), contentType);
}

function jsonText(value: object, pretty: boolean): string {
  return pretty ? `${JSON.stringify(value, undefined, 2)}\n` : `${JSON.stringify(value)}\n`;
}

export function wantsPretty({ query, request }: PartialExchange): boolean {
  const asked = query.get('pretty');
  if (asked !== null) return isTrue(asked);
  return /^(?:curl|Wget|Mozilla\/5\.0)/.test(request.headers['user-agent'] ?? '');
}

/** Writes a whole answer, compressed when it is large and the client takes it. */
export async function sendBytes(
  { request, response }: PartialExchange,
  code: number,
  bytes: Buffer,
  contentType: string,
): Promise<void> {
  let body = bytes;
  if (bytes.length > apiLimits.gzipAboveBytes && acceptsGzip(request.headers['accept-encoding'])) {
    body = await compress(bytes, { level: constants.Z_BEST_SPEED });
    response.setHeader('Content-Encoding', 'gzip');
    response.appendHeader('Vary', 'Accept-Encoding');
  }
  response.writeHead(code, { 'Content-Type': contentType, 'Content-Length': body.length });
  response.end(body);
}

export function sendText(
  { response }: PartialExchange,
  code: number,
  text: string,
  contentType = 'text/plain; charset=utf-8',
): void {
  const body = Buffer.from(text);
  response.writeHead(code, {
    'Content-Type': contentType,
    'X-Content-Type-Options': 'nosniff',
    'Content-Length': body.length,
  });
  response.end(body);
}

/** A warning that kubectl prints (RFC 7234, code 299). Beyond a sane number the rest is left out. */
export function addWarning({ response }: PartialExchange, text: string): void {
  const warnings = response.getHeader('Warning');
  if (Array.isArray(warnings) && warnings.length >= apiLimits.warningsMax) return;
  const quoted = text.replaceAll(/[^\x20-\x7e]/g, '?').replaceAll(/["\\]/g, String.raw`\$&`);
  response.appendHeader('Warning', `299 - "${quoted}"`);
}
