import type { IncomingMessage } from 'node:http';
import * as yaml from 'yaml';
import { limits } from '../../../protocol/limits.ts';
import type { ProtobufDecoder } from '../../../protocol/protobuf/decode-protobuf.ts';
import { protobufMediaType } from '../../../protocol/protobuf/envelope.ts';
import { ProtobufError } from '../../../protocol/protobuf/protobuf-error.ts';
import { StatusError } from '../../../protocol/status.ts';
import { apiLimits } from '../api-limits.ts';
import type { Exchange } from '../exchange.ts';
import { parseMediaType } from './negotiation.ts';

/** A request body as it was sent. */
export interface RequestBody {
  bytes: Buffer;
  /** Media type in lower case without parameters; '' when the client did not say. */
  mediaType: string;
}

/** Throws RequestEntityTooLarge, BadRequest (cut off) or UnsupportedMediaType (encoded). */
export async function readBody({
  request,
  audit,
}: Pick<Exchange, 'request' | 'audit'>): Promise<RequestBody> {
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity')
    throw new StatusError(
      'UnsupportedMediaType',
      `the content encoding ${JSON.stringify(encoding)} is not supported`,
    );
  const bytes = await collect(request);
  const body = { bytes, mediaType: parseMediaType(request.headers['content-type'] ?? '')?.type ?? '' };
  audit?.sent(body);
  return body;
}

/** Throws BadRequest for what is not UTF-8. */
export function textOf({ bytes }: RequestBody): string {
  try {
    return strictUtf8.decode(bytes);
  } catch (cause) {
    throw new StatusError('BadRequest', 'the body of the request is not valid UTF-8', { cause });
  }
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * A body that is too large is read to its end, within reason: a client that cannot send does not read our answer
 * either. By events: an iterator over the request costs more than parsing a small object.
 */
function collect(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let chunks: Buffer[] = [];
    let size = Number(request.headers['content-length'] ?? 0) > apiLimits.discardBytesMax ? Infinity : 0;
    const endedEarly = (cause?: Error) =>
      reject(new StatusError('BadRequest', 'the body of the request ended early', { cause }));
    if (request.destroyed) return endedEarly();
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= limits.requestBytesMax) chunks.push(chunk);
      else chunks = [];
      if (size <= apiLimits.discardBytesMax) return;
      reject(tooLarge());
      request.destroy();
    });
    request.once('end', () => {
      if (size > limits.requestBytesMax) return reject(tooLarge());
      resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks));
    });
    request.on('error', endedEarly);
    request.once('close', () => {
      if (!request.readableEnded) endedEarly();
    });
  });
}

function tooLarge(): StatusError {
  return new StatusError(
    'RequestEntityTooLarge',
    `Request entity too large: limit is ${limits.requestBytesMax}`,
  );
}

const yamlTypes = new Set(['application/yaml', 'application/x-yaml', 'text/yaml', 'text/x-yaml']);
/** What `curl -d` and clients that do not say send. */
const jsonTypes = new Set(['application/json', '', '*/*', 'application/x-www-form-urlencoded']);

export function isJson({ mediaType }: RequestBody): boolean {
  return jsonTypes.has(mediaType);
}

/** What a body is expected to hold: protobuf says no names, so they come from the schema. */
export interface BodyType {
  kind: string;
  schema: string;
}

/** A JSON, YAML or protobuf body as plain data. Throws BadRequest and UnsupportedMediaType. */
export function parseBody(body: RequestBody, type: BodyType, protobuf: ProtobufDecoder): unknown {
  if (isJson(body)) return parseJson(textOf(body));
  if (yamlTypes.has(body.mediaType)) return parseYaml(textOf(body));
  if (body.mediaType === protobufMediaType && protobuf.knows(type.schema))
    return parseProtobuf(body, type, protobuf);
  throw unsupportedMediaType(['application/json', 'application/yaml', protobufMediaType]);
}

function parseProtobuf({ bytes }: RequestBody, type: BodyType, protobuf: ProtobufDecoder): unknown {
  let value: unknown;
  try {
    value = protobuf.decodeEnveloped(type, bytes);
  } catch (cause) {
    if (!(cause instanceof ProtobufError)) throw cause;
    throw malformed('protobuf error', cause);
  }
  refuseHostile(value);
  return value;
}

export function unsupportedMediaType(accepted: readonly string[]): StatusError {
  return new StatusError(
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`,
  );
}

export function parseJson(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw malformed('json parse error', cause);
  }
  refuseHostile(value);
  return value;
}

export function parseYaml(text: string): unknown {
  if (Buffer.byteLength(text) > apiLimits.yamlBytesMax)
    throw new StatusError(
      'RequestEntityTooLarge',
      `Request entity too large: limit is ${apiLimits.yamlBytesMax} for YAML; send JSON`,
    );
  let value: unknown;
  try {
    value = yaml.parse(text, {
      version: '1.1',
      customTags: (tags) => tags.filter((tag) => typeof tag === 'string' || !nativeTags.has(tag.tag)),
      maxAliasCount: apiLimits.yamlAliasesMax,
      logLevel: 'error',
    });
  } catch (cause) {
    throw malformed('yaml parse error', cause);
  }
  refuseHostile(value);
  return value;
}

/** YAML 1.1 types that JSON does not have: such scalars stay the strings they look like, as in Kubernetes. */
const nativeTags = new Set(
  ['timestamp', 'binary', 'omap', 'pairs', 'set'].map((name) => `tag:yaml.org,2002:${name}`),
);

function malformed(what: string, cause: unknown): StatusError {
  const [firstLine = ''] = (cause instanceof Error ? cause.message : '').split('\n');
  return new StatusError('BadRequest', `couldn't get version/kind; ${what}: ${firstLine}`, { cause });
}

/**
 * Everything behind may recurse and copy by key, so this walks without recursion and refuses nesting, prototype
 * keys and what grew by aliases beyond the size of a request.
 */
function refuseHostile(value: unknown): void {
  let level: unknown[] = [value];
  let size = 0;
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > apiLimits.bodyDepthMax)
      throw new StatusError('BadRequest', `the body is nested deeper than ${apiLimits.bodyDepthMax} levels`);
    const next: unknown[] = [];
    for (const node of level) {
      size += typeof node === 'string' ? node.length : 1;
      if (typeof node === 'string') refuseIllFormed(node);
      if (size > limits.requestBytesMax) throw tooLarge();
      if (typeof node === 'number' && !Number.isFinite(node))
        throw new StatusError('BadRequest', 'the body holds a number that JSON cannot hold');
      if (typeof node !== 'object' || node === null) continue;
      if (Object.hasOwn(node, '__proto__'))
        throw new StatusError('BadRequest', 'the body holds the forbidden field name "__proto__"');
      for (const key in node) {
        refuseIllFormed(key);
        next.push((node as Record<string, unknown>)[key]);
      }
    }
    level = next;
  }
}

/** Half of a surrogate pair (JSON can escape one) cannot be stored: UTF-8 has no bytes for it. */
function refuseIllFormed(text: string): void {
  if (text.isWellFormed()) return;
  throw new StatusError('BadRequest', 'the body holds a string that is not well-formed Unicode');
}
