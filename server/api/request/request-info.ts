import type { Verb } from '../../../protocol/kinds/define-kind.ts';
import { StatusError } from '../../../protocol/status.ts';
import { apiLimits } from '../api-limits.ts';

/**
 * What a request asks for, read from its method and path alone, before anybody looks whether such a resource exists:
 * authorisation comes first, so that a stranger cannot learn what exists.
 */
export type RequestInfo = ResourceRequest | PathRequest;

export interface ResourceRequest {
  type: 'resource';
  path: string;
  verb: Verb;
  group: string;
  version: string;
  /** Plural name, as in the path. */
  resource: string;
  namespace: string | undefined;
  name: string | undefined;
  subresource: string | undefined;
  /** What follows `…/proxy`, with its leading slash and as encoded as it came; '' when nothing does. */
  rest?: string;
}

export interface PathRequest {
  type: 'path';
  path: string;
  /** The HTTP method in lower case. */
  verb: string;
}

/** Throws BadRequest for a path that is not in canonical form. */
export function readRequestInfo(method: string, path: string, query: URLSearchParams): RequestInfo {
  const proxied = proxiedPath.exec(path);
  const located = locate(segmentsOf(proxied?.[1] ?? path));
  if (!located) return { type: 'path', path, verb: method.toLowerCase() };
  if (proxied) {
    located.rest = proxied[2] ?? '';
    // What the other server offers may be asked by whoever may read there.
    if (method === 'OPTIONS') return { type: 'resource', path, verb: 'get', ...located };
  }
  const watches = located.subresource === undefined && isTrue(query.get('watch'));
  return { type: 'resource', path, verb: verbOf(method, located.name, watches), ...located };
}

/** Behind `proxy` the path is the other server's, to be handed on as it is. */
const proxiedPath =
  /^(\/api\/v1\/(?:nodes\/[^/]+|namespaces\/[^/]+\/(?:pods|services)\/[^/]+)\/proxy)(\/.*)?$/;

/** Whether a request's target, with its query or without, lies behind a proxy. */
export function isProxyPath(target: string): boolean {
  return proxiedPath.test(target.split('?', 1)[0] ?? '');
}

/**
 * Splits a path into decoded segments. Encoded slashes, empty and dot segments are refused rather than interpreted: two
 * readers of the same path must never disagree about what it names.
 */
function segmentsOf(path: string): string[] {
  if (!path.startsWith('/')) throw new StatusError('BadRequest', 'the request target must be a path');
  const encoded = path.split('/').slice(1);
  if (encoded.at(-1) === '') encoded.pop();
  if (encoded.length > apiLimits.pathSegmentsMax) throw new StatusError('BadRequest', 'the path is too long');
  return encoded.map((segment) => {
    const decoded = decodeSegment(segment);
    if (decoded === '' || decoded === '.' || decoded === '..' || hasForbiddenCharacter(decoded))
      throw new StatusError('BadRequest', 'the path holds an empty, relative or encoded-slash segment');
    return decoded;
  });
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch (cause) {
    throw new StatusError('BadRequest', 'the path is not valid percent-encoded UTF-8', { cause });
  }
}

function hasForbiddenCharacter(segment: string): boolean {
  for (const character of segment) {
    const code = character.codePointAt(0) ?? 0;
    if (code < 0x20 || code === 0x7f || character === '/' || character === '\\') return true;
  }
  return false;
}

type Located = Omit<ResourceRequest, 'type' | 'path' | 'verb'>;

function locate(segments: readonly string[]): Located | undefined {
  const rest = groupVersionOf(segments);
  if (!rest || rest.parts.length === 0) return undefined;
  const { group, version, parts } = rest;
  const [first = '', second, third, ...more] = parts;
  if (first !== 'namespaces' || second === undefined) {
    if (more.length > 0) return undefined;
    return { group, version, resource: first, namespace: undefined, name: second, subresource: third };
  }
  if (third === undefined || (more.length === 0 && namespaceSubresources.has(third)))
    return { group, version, resource: first, namespace: second, name: second, subresource: third };
  const [name, subresource, ...tooMany] = more;
  if (tooMany.length > 0) return undefined;
  return { group, version, resource: third, namespace: second, name, subresource };
}

const namespaceSubresources = new Set(['status', 'finalize']);

function groupVersionOf(segments: readonly string[]) {
  const [root, first, second, ...rest] = segments;
  if (root === 'api' && first !== undefined) return { group: '', version: first, parts: segments.slice(2) };
  if (root === 'apis' && first !== undefined && second !== undefined)
    return { group: first, version: second, parts: rest };
  return undefined;
}

function verbOf(method: string, name: string | undefined, watches: boolean): Verb {
  switch (method) {
    case 'GET':
    case 'HEAD':
      if (watches) return 'watch';
      return name === undefined ? 'list' : 'get';
    case 'POST':
      return 'create';
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return name === undefined ? 'deletecollection' : 'delete';
    default:
      throw methodNotAllowed();
  }
}

export function methodNotAllowed(): StatusError {
  return new StatusError(
    'MethodNotAllowed',
    'the server does not allow this method on the requested resource',
  );
}

export function pathNotFound(): StatusError {
  return new StatusError('NotFound', 'the server could not find the requested resource');
}

/** Kubernetes' reading of boolean query parameters: present and neither `false`, as Python's clients write it too, nor `0`. */
export function isTrue(parameter: string | null): boolean {
  return parameter !== null && parameter.toLowerCase() !== 'false' && parameter !== '0';
}
