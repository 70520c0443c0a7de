import { parseFieldSelector } from '../../../protocol/selectors.ts';
import { StatusError } from '../../../protocol/status.ts';
import type { RequestInfo, ResourceRequest } from '../request/request-info.ts';

/** What somebody wants to do, as authorisers see it: a request's own deed, or one that a review asks about. */
export type AccessRequest = ResourceAccess | PathAccess;

export interface ResourceAccess {
  type: 'resource';
  /** A request's verb, or one that is only ever asked for: `impersonate`, `bind`, `escalate`. */
  verb: string;
  group: string;
  resource: string;
  subresource: string | undefined;
  /** Undefined: cluster-scoped, or all namespaces. */
  namespace: string | undefined;
  /** Undefined: all, or not known yet. */
  name: string | undefined;
  /** `field=value` of every exact term of the field selector. */
  fields?: ReadonlyMap<string, string>;
}

export interface PathAccess {
  type: 'path';
  /** The HTTP method in lower case. */
  verb: string;
  path: string;
}

/** The access that a request needs. */
export function accessOf(info: RequestInfo, query: URLSearchParams): AccessRequest {
  if (info.type !== 'resource') return info;
  // A session into a pod changes things, whichever method opens it: who may only read must not get one.
  if (info.subresource !== undefined && sessionSubresources.has(info.subresource))
    return { ...info, verb: 'create' };
  return selectsByField(info) ? withFields(info, query) : info;
}

const sessionSubresources = new Set(['exec', 'attach', 'portforward']);

function selectsByField({ verb, name }: ResourceRequest): boolean {
  return name === undefined && (verb === 'list' || verb === 'watch' || verb === 'deletecollection');
}

/** Who asks for one name only is treated as if the path said so (source: apiserver, RequestInfoFactory). */
function withFields(info: ResourceRequest, query: URLSearchParams): ResourceAccess {
  const fields = exactFields(query.get('fieldSelector') ?? '');
  const name = fields.get('metadata.name');
  return { ...info, fields, ...(name ? { name } : {}) };
}

function exactFields(selector: string): Map<string, string> {
  try {
    const terms = parseFieldSelector(selector).filter(({ operator }) => operator === '=');
    return new Map(terms.map(({ field, value }) => [field, value]));
  } catch (error) {
    // The handler refuses it in its own words once the user may ask at all.
    if (error instanceof StatusError) return new Map();
    throw error;
  }
}
