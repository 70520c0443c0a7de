import type { KindDefinition } from '../../protocol/kinds/define-kind.ts';
import { requestedBy } from '../registry/requested-by.ts';
import { reviewHandler } from './access/reviews/review-handlers.ts';
import { aggregatedApi } from './aggregation/aggregated-api.ts';
import { passRequest } from './aggregation/pass-request.ts';
import { auditedBody } from './audit/bodies.ts';
import { componentHandler } from './component-statuses.ts';
import type { ApiServices, Exchange, ResourceHandler } from './exchange.ts';
import { metricsHandler } from './metrics/metrics-handlers.ts';
import { servePath } from './path-routes.ts';
import { methodNotAllowed, pathNotFound, type ResourceRequest } from './request/request-info.ts';
import { addWarning } from './response/answer.ts';
import { admitConnection } from './subresources/admit-posted.ts';
import { type SubresourceVerb, subresourceOf } from './subresources/subresources.ts';
import { deleteCollection, deleteObject } from './verbs/delete.ts';
import { listKind } from './verbs/list.ts';
import { patchObject } from './verbs/patch.ts';
import { getObject } from './verbs/read.ts';
import { watchKind } from './verbs/watch.ts';
import { createObject, updateObject } from './verbs/write.ts';

const verbHandlers: Readonly<Record<ResourceRequest['verb'], ResourceHandler>> = {
  create: createObject,
  delete: deleteObject,
  deletecollection: deleteCollection,
  get: getObject,
  list: listKind,
  patch: patchObject,
  update: updateObject,
  watch: watchKind,
};

/** Finds the handler of an authorised request and runs it. Throws NotFound and MethodNotAllowed. */
export async function dispatch(exchange: Exchange): Promise<void> {
  const { info, services } = exchange;
  const passed = aggregatedApi(services, info.path);
  if (passed) return passRequest(exchange, passed);
  if (info.type === 'path') return servePath(exchange);
  const kind = services.kinds.find(info.group, info.version, info.resource);
  if (!kind) throw pathNotFound();
  const handle = handlerOf(kind, info);
  exchange.audit?.decodesBy((body) => auditedBody(body, { kind, protobuf: services.protobuf }));
  await handle({ ...exchange, info, kind, services: servicesFor(exchange) });
}

/** What a user writes is written in their name, whichever way it is written. */
function servicesFor(exchange: Exchange): ApiServices {
  const { services, user, info, audit } = exchange;
  // A write that lost a race is reviewed again, and what is said of it twice is told once.
  const told = new Set<string>();
  const registry = requestedBy(services.registry, {
    user,
    warn(text) {
      if (told.has(text)) return;
      told.add(text);
      addWarning(exchange, text);
    },
    ...(audit ? { annotate: (key: string, value: string) => audit.annotate(key, value) } : {}),
    updateOptionsKind: info.verb === 'patch' ? 'PatchOptions' : 'UpdateOptions',
  });
  return { ...services, registry };
}

function handlerOf(kind: KindDefinition, info: ResourceRequest): ResourceHandler {
  checkScope(kind, info);
  if (info.subresource === undefined) {
    if (!kind.verbs.includes(info.verb)) throw methodNotAllowed();
    return (
      reviewHandler(kind) ??
      metricsHandler(kind, info.verb) ??
      componentHandler(kind, info.verb) ??
      verbHandlers[info.verb]
    );
  }
  const subresource = subresourceOf(kind, info.subresource);
  if (!subresource || info.name === undefined) throw pathNotFound();
  const handle = subresource.handlers[info.verb as SubresourceVerb];
  if (!handle) throw methodNotAllowed();
  const { connectOptions } = subresource;
  if (!connectOptions) return handle;
  return async (exchange) => {
    await admitConnection(exchange, connectOptions(exchange.query, info.rest ?? ''));
    await handle(exchange);
  };
}

/**
 * A namespaced kind is read across namespaces and written within one; a cluster-scoped one has no namespace in its
 * path.
 */
function checkScope(kind: KindDefinition, { namespace, name, subresource, verb }: ResourceRequest): void {
  const writesCollection = name === undefined && (verb === 'update' || verb === 'patch');
  if (writesCollection || (verb === 'create' && name !== undefined && subresource === undefined))
    throw methodNotAllowed();
  if (!kind.namespaced) {
    // Authorised in a namespace means no more than that: only a namespace itself lies in one by its own name.
    const isOwn = kind.group === '' && kind.plural === 'namespaces' && namespace === name;
    if (namespace !== undefined && !isOwn) throw pathNotFound();
    return;
  }
  if (namespace !== undefined) return;
  if (name !== undefined) throw pathNotFound();
  if (verb !== 'list' && verb !== 'watch') throw methodNotAllowed();
}
