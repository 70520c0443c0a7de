import type { IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import { sameValue } from '../../protocol/kinds/cause.ts';
import {
  apiVersionOf,
  type KindDefinition,
  type KubernetesObject,
  type ObjectMeta,
} from '../../protocol/kinds/define-kind.ts';
import { isStatus, StatusError, type StatusReason, statusReasons } from '../../protocol/status.ts';
import { type HttpsAnswer, HttpsCallError } from '../outgoing/https-client.ts';
import { ServiceAddressError } from '../outgoing/service-address.ts';
import type { ListRequest, ObjectName, Registry, WatchChange, WatchRequest } from '../registry/registry.ts';
import { type AggregatedApi, type AggregatedApis, type AskingUser, userHeaders } from './aggregated-apis.ts';

/**
 * The objects of other servers, as far as controllers need them that concern every kind: who they are, who owns them,
 * what holds them; only metadata is asked for. What a server does not answer is an error, never an absence.
 */
export type RemoteRegistry = Pick<Registry, 'get' | 'list' | 'watch' | 'mutate' | 'delete'>;

const pageSize = 500;
const watchSeconds = 300;
/** Longer than any line that a server may send as one change. */
const lineBytesMax = 4 * 1024 * 1024;
const conflictsMax = 5;
const metadataOnly = (kind: string) => `application/json;as=${kind};g=meta.k8s.io;v=v1,application/json`;

export function createRemoteRegistry(apis: AggregatedApis, user: AskingUser): RemoteRegistry {
  const ask = async (kind: KindDefinition, request: Question): Promise<unknown> => {
    const api = apiOf(apis, kind);
    try {
      return answerOf(await api.ask({ ...request, user }));
    } catch (error) {
      if (!(error instanceof HttpsCallError || error instanceof ServiceAddressError)) throw error;
      api.suspect();
      throw unavailable(kind, error);
    }
  };
  const get = <T extends KubernetesObject>(kind: KindDefinition<T>, at: ObjectName) =>
    ask(kind, {
      method: 'GET',
      path: pathOf(kind, at),
      accept: metadataOnly('PartialObjectMetadata'),
    }) as Promise<T>;
  return {
    get,
    list: (kind, request = {}) => listAll(ask, kind, request),
    watch: (kind, request) => follow(apis, user, kind, request),
    async delete(kind, at, { gracePeriodSeconds, propagationPolicy, preconditions } = {}) {
      const options = { kind: 'DeleteOptions', apiVersion: 'v1', gracePeriodSeconds, propagationPolicy };
      const body = { ...options, preconditions };
      return (await ask(kind, { method: 'DELETE', path: pathOf(kind, at), body })) as never;
    },
    mutate: (kind, at, change) => patchMetadata(ask, { kind, at, get: () => get(kind, at), change }),
  };
}

interface Question {
  method: 'GET' | 'DELETE' | 'PATCH';
  path: string;
  accept?: string;
  body?: object;
}

type Ask = (kind: KindDefinition, request: Question) => Promise<unknown>;

function apiOf(apis: AggregatedApis, kind: KindDefinition): AggregatedApi {
  const api = apis.find(kind.group, kind.version);
  if (!api?.available) throw unavailable(kind);
  return api;
}

function unavailable(kind: KindDefinition, cause?: unknown): StatusError {
  const message = `the server of ${apiVersionOf(kind)} is currently unable to handle the request`;
  return new StatusError('ServiceUnavailable', message, { cause });
}

function pathOf(kind: KindDefinition, { namespace, name }: Partial<ObjectName>): string {
  const place = namespace === undefined ? [] : ['namespaces', namespace];
  const steps = [...place, kind.plural, ...(name === undefined ? [] : [name])];
  return `/apis/${apiVersionOf(kind)}/${steps.map(encodeURIComponent).join('/')}`;
}

/** The JSON of an answer that is a success; a Status otherwise becomes the error that it tells. */
function answerOf({ status, body }: HttpsAnswer): unknown {
  const value = parse(body.toString());
  if (status >= 200 && status < 300 && typeof value === 'object' && value !== null) return value;
  throw failureOf(status, value);
}

function failureOf(code: number, value: unknown): StatusError {
  const { reason, message } = (value ?? {}) as { reason?: unknown; message?: unknown };
  const words = typeof message === 'string' ? message : `the server answered with status ${code}`;
  if (typeof reason === 'string' && Object.hasOwn(statusReasons, reason))
    return new StatusError(reason as StatusReason, words);
  // A 404 that is no Status may come from anybody on the way: it says nothing of the object.
  if (code === 409) return new StatusError('Conflict', words);
  return new StatusError(code === 410 ? 'Expired' : 'ServiceUnavailable', words);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

interface ListAnswer {
  metadata?: { resourceVersion?: string; continue?: string };
  items?: KubernetesObject[] | null;
}

async function listAll<T extends KubernetesObject>(
  ask: Ask,
  kind: KindDefinition<T>,
  { namespace, continue: from, limit }: ListRequest,
) {
  const items: T[] = [];
  let next = from;
  for (;;) {
    const query = new URLSearchParams({ limit: String(pageSize), ...(next ? { continue: next } : {}) });
    const path = `${pathOf(kind, namespace === undefined ? {} : { namespace })}?${query.toString()}`;
    const accept = metadataOnly('PartialObjectMetadataList');
    const answer = (await ask(kind, { method: 'GET', path, accept })) as ListAnswer;
    items.push(...((answer.items ?? []) as T[]));
    next = answer.metadata?.continue || undefined;
    const resourceVersion = answer.metadata?.resourceVersion ?? '';
    if (next === undefined) return { items, resourceVersion };
    if (limit !== undefined && items.length >= limit) return { items, resourceVersion, continue: next };
  }
}

async function* follow<T extends KubernetesObject>(
  apis: AggregatedApis,
  user: AskingUser,
  kind: KindDefinition<T>,
  { resourceVersion, signal }: WatchRequest,
): AsyncIterable<WatchChange<T>> {
  const api = apiOf(apis, kind);
  const query = new URLSearchParams({
    watch: 'true',
    allowWatchBookmarks: 'true',
    timeoutSeconds: String(watchSeconds),
    ...(resourceVersion ? { resourceVersion } : {}),
  });
  const request = api.open({
    method: 'GET',
    path: `${pathOf(kind, {})}?${query.toString()}`,
    headers: { accept: metadataOnly('PartialObjectMetadata'), ...userHeaders(user) },
    upgrade: false,
  });
  const stop = () => void request.destroy();
  signal.addEventListener('abort', stop, { once: true });
  // A server that says nothing for longer than it was asked to is gone.
  request.setTimeout((watchSeconds + 60) * 1000, stop);
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request.once('response', resolve);
      request.once('error', reject);
      request.end();
    });
    if (response.statusCode !== 200) throw failureOf(response.statusCode ?? 0, undefined);
    for await (const line of createInterface({ input: response, crlfDelay: Number.POSITIVE_INFINITY })) {
      if (line.length > lineBytesMax) throw unavailable(kind);
      const change = changeOf<T>(line);
      if (change) yield change;
    }
  } catch (error) {
    if (error instanceof StatusError) throw error;
    if (!signal.aborted) api.suspect();
    throw unavailable(kind, error);
  } finally {
    signal.removeEventListener('abort', stop);
    request.on('error', () => {});
    request.destroy();
  }
}

function changeOf<T extends KubernetesObject>(line: string): WatchChange<T> | undefined {
  const { type, object } = (parse(line) ?? {}) as { type?: string; object?: T & { code?: number } };
  if (!object) return undefined;
  if (type === 'BOOKMARK') return { type, resourceVersion: object.metadata?.resourceVersion ?? '' };
  if (type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED') return { type, object };
  throw failureOf(object.code ?? 500, object);
}

/** What controllers write: owners and finalizers, and only while the object is as it was read. */
async function patchMetadata<T extends KubernetesObject>(
  ask: Ask,
  {
    kind,
    at,
    get,
    change,
  }: {
    kind: KindDefinition<T>;
    at: ObjectName;
    get: () => Promise<T>;
    change: (draft: T) => void;
  },
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    const before = await get();
    const draft = structuredClone(before);
    change(draft);
    const metadata = changedParts(draft.metadata ?? {}, before.metadata ?? {});
    if (!metadata) return before;
    const { uid, resourceVersion } = before.metadata ?? {};
    const body = { metadata: { uid, resourceVersion, ...metadata } };
    try {
      return (await ask(kind, { method: 'PATCH', path: pathOf(kind, at), body })) as T;
    } catch (error) {
      if (!isStatus(error, 'Conflict') || attempt === conflictsMax) throw error;
    }
  }
}

function changedParts(next: ObjectMeta, old: ObjectMeta): object | undefined {
  const parts = (['ownerReferences', 'finalizers'] as const).filter(
    (field) => !sameValue(next[field] ?? [], old[field] ?? []),
  );
  if (parts.length === 0) return undefined;
  return Object.fromEntries(parts.map((field) => [field, next[field] ?? []]));
}
