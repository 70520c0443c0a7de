import type { KindDefinition, KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import { scaleType } from '../../../protocol/kinds/scale.ts';
import type { ResourceHandler } from '../exchange.ts';
import { patchObject } from '../verbs/patch.ts';
import { getObject } from '../verbs/read.ts';
import { updateObject } from '../verbs/write.ts';
import { bindingType, bindPod } from './binding.ts';
import { attachToPod, execInPod } from './command/exec.ts';
import { commandOptions, portForwardOptions, proxyOptions } from './connect-options.ts';
import { evictionType, evictPod } from './eviction.ts';
import { readLog } from './log.ts';
import { forwardPorts } from './port-forward.ts';
import { proxyNode } from './proxy/proxy-node.ts';
import { proxyPod } from './proxy/proxy-pod.ts';
import { proxyService } from './proxy/proxy-service.ts';
import { getScale, patchScale, updateScale } from './scale.ts';
import { createToken, tokenRequestType } from './token.ts';

/** What lies under an object's path. One entry here serves it for every kind that names it in `subresources`. */
export interface Subresource {
  verbs: readonly SubresourceVerb[];
  /** What it answers with, where that is not the kind itself. */
  responseKind?: { group: string; version: string; kind: string };
  /** Schema of request and answer where `responseKind` has one. */
  schema?: string;
  /** Where it connects to something: the options that admission sees. */
  connectOptions?: (query: URLSearchParams, rest: string) => KubernetesObject;
  handlers: Partial<Record<SubresourceVerb, ResourceHandler>>;
}

export type SubresourceVerb = 'create' | 'delete' | 'get' | 'patch' | 'update';

const subresources: Readonly<Record<string, Subresource>> = {
  status: {
    verbs: ['get', 'patch', 'update'],
    handlers: { get: getObject, patch: patchObject, update: updateObject },
  },
  ephemeralcontainers: {
    verbs: ['get', 'patch', 'update'],
    handlers: { get: getObject, patch: patchObject, update: updateObject },
  },
  approval: {
    verbs: ['get', 'patch', 'update'],
    handlers: { get: getObject, patch: patchObject, update: updateObject },
  },
  resize: {
    verbs: ['get', 'patch', 'update'],
    handlers: { get: getObject, patch: patchObject, update: updateObject },
  },
  scale: {
    verbs: ['get', 'patch', 'update'],
    responseKind: scaleType,
    schema: scaleType.schema,
    handlers: { get: getScale, patch: patchScale, update: updateScale },
  },
  finalize: { verbs: ['update'], handlers: { update: updateObject } },
  binding: {
    verbs: ['create'],
    responseKind: bindingType,
    schema: bindingType.schema,
    handlers: { create: bindPod },
  },
  eviction: {
    verbs: ['create'],
    responseKind: evictionType,
    schema: evictionType.schema,
    handlers: { create: evictPod },
  },
  token: {
    verbs: ['create'],
    responseKind: tokenRequestType,
    schema: tokenRequestType.schema,
    handlers: { create: createToken },
  },
  attach: {
    verbs: ['create', 'get'],
    responseKind: { group: '', version: 'v1', kind: 'PodAttachOptions' },
    connectOptions: commandOptions('PodAttachOptions'),
    handlers: { create: attachToPod, get: attachToPod },
  },
  portforward: {
    verbs: ['create', 'get'],
    responseKind: { group: '', version: 'v1', kind: 'PodPortForwardOptions' },
    connectOptions: portForwardOptions,
    handlers: { create: forwardPorts, get: forwardPorts },
  },
  log: { verbs: ['get'], handlers: { get: readLog } },
  exec: {
    verbs: ['create', 'get'],
    responseKind: { group: '', version: 'v1', kind: 'PodExecOptions' },
    connectOptions: commandOptions('PodExecOptions'),
    handlers: { create: execInPod, get: execInPod },
  },
};

const proxies: Readonly<Record<string, ResourceHandler>> = {
  nodes: proxyNode,
  pods: proxyPod,
  services: proxyService,
};

/** Undefined when the kind has no such subresource, or nobody serves it yet. */
export function subresourceOf(kind: KindDefinition, name: string): Subresource | undefined {
  if (!kind.subresources.includes(name)) return undefined;
  if (name === 'proxy') return proxyOf(kind);
  return Object.hasOwn(subresources, name) ? subresources[name] : undefined;
}

function proxyOf({ plural, kind }: KindDefinition): Subresource | undefined {
  const handle = proxies[plural];
  if (!handle) return undefined;
  return {
    verbs: ['create', 'delete', 'get', 'patch', 'update'],
    responseKind: { group: '', version: 'v1', kind: `${kind}ProxyOptions` },
    connectOptions: (_query, rest) => proxyOptions(`${kind}ProxyOptions`, rest),
    handlers: { create: handle, delete: handle, get: handle, patch: handle, update: handle },
  };
}
