import type { Pod } from '../../../protocol/generated/models.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { volumeClaimNames } from '../../../protocol/match-volume.ts';
import type { Cache } from '../../cache/informer.ts';
import { nodesGroup } from '../../identity/subject.ts';
import { namedObjects } from '../../nodes/set-entries.ts';
import type { AccessRequest, ResourceAccess } from './access-request.ts';
import type { Decision } from './authorizer.ts';
import type { User } from './user.ts';

/**
 * What a device may do over HTTP: read itself, its pods and exactly what they name, report on itself and its pods,
 * keep its lease. It follows Kubernetes' node authoriser, narrowed where our devices need less (they get services
 * over the bus and sign nothing). Whatever it does not allow is left to the roles.
 */
export interface NodePods {
  /** The pods that are bound to a node. */
  on(node: string): readonly Readonly<Pod>[];
  get(namespace: string, name: string): Readonly<Pod> | undefined;
}

const podsByNode = 'access-node';

/** Follows pods in the cache; answers truly once the cache has synced. */
export function watchNodePods(cache: Cache): NodePods {
  const pods = cache.informer(podKind);
  pods.addIndex(podsByNode, ({ spec }) => (spec?.nodeName ? [spec.nodeName] : []));
  return {
    on: (node) => pods.byIndex(podsByNode, node),
    get: (namespace, name) => pods.get(namespace, name),
  };
}

const nodePrefix = 'system:node:';

/** The node that a user is; undefined for everybody else. */
export function nodeOfUser({ name, groups }: User): string | undefined {
  if (!groups.includes(nodesGroup) || !name.startsWith(nodePrefix)) return undefined;
  return name.slice(nodePrefix.length) || undefined;
}

export function nodeAuthorizer(pods: NodePods): (user: User, request: AccessRequest) => Decision {
  return (user, request) => {
    const node = nodeOfUser(user);
    if (node === undefined || request.type !== 'resource') return { allowed: false };
    const rule = rules[request.group === '' ? request.resource : `${request.resource}.${request.group}`];
    return { allowed: rule?.({ node, pods, request }) ?? false };
  };
}

interface Question {
  node: string;
  pods: NodePods;
  request: ResourceAccess;
}

const rules: Readonly<Record<string, ((question: Question) => boolean) | undefined>> = {
  __proto__: null as never,
  nodes: ({ node, request: { verb, subresource, name } }) => {
    if (verb === 'create') return subresource === undefined;
    if (name !== node) return false;
    if (subresource === 'status') return isWrite(verb);
    return subresource === undefined && (isRead(verb) || isWrite(verb));
  },
  pods: mayTouchPod,
  secrets: (question) => mayReadNamed(question, 'Secret'),
  configmaps: (question) => mayReadNamed(question, 'ConfigMap'),
  persistentvolumeclaims: ({ node, pods, request: { verb, subresource, namespace, name } }) =>
    verb === 'get' &&
    subresource === undefined &&
    name !== undefined &&
    inNamespace(pods.on(node), namespace).some((pod) => volumeClaimNames(pod).includes(name)),
  serviceaccounts: ({ node, pods, request: { verb, subresource, namespace, name } }) =>
    verb === 'create' &&
    subresource === 'token' &&
    inNamespace(pods.on(node), namespace).some((pod) => accountOf(pod) === name),
  // A new object's name is in its body, which the node restriction looks at.
  'leases.coordination.k8s.io': ({ node, request: { verb, subresource, namespace, name } }) =>
    namespace === 'kube-node-lease' &&
    subresource === undefined &&
    (verb === 'create' || (name === node && (verb === 'get' || verb === 'delete' || isWrite(verb)))),
  events: ({ request: { verb, subresource } }) => verb === 'create' && subresource === undefined,
};

function mayTouchPod({ node, pods, request }: Question): boolean {
  const { verb, subresource, namespace, name, fields } = request;
  const isOwn = () =>
    namespace !== undefined && name !== undefined && pods.get(namespace, name)?.spec?.nodeName === node;
  switch (subresource) {
    case undefined:
      if (verb === 'list' || verb === 'watch') return fields?.get('spec.nodeName') === node;
      return (verb === 'get' || verb === 'delete') && isOwn();
    case 'status':
      return (verb === 'get' || isWrite(verb)) && isOwn();
    case 'eviction':
      return verb === 'create' && isOwn();
    default:
      return false;
  }
}

function mayReadNamed({ node, pods, request }: Question, kind: 'Secret' | 'ConfigMap'): boolean {
  const { verb, subresource, namespace, name } = request;
  if (!isRead(verb) || subresource !== undefined || namespace === undefined || name === undefined)
    return false;
  const key = `${kind}/${namespace}/${name}`;
  return inNamespace(pods.on(node), namespace).some((pod) => namedObjects(pod).has(key));
}

function inNamespace(
  pods: readonly Readonly<Pod>[],
  namespace: string | undefined,
): readonly Readonly<Pod>[] {
  return pods.filter((pod) => pod.metadata?.namespace === namespace);
}

/** The account that a pod runs as. */
export function accountOf({ spec }: Readonly<Pod>): string {
  return spec?.serviceAccountName || 'default';
}

function isRead(verb: string): boolean {
  return verb === 'get' || verb === 'list' || verb === 'watch';
}

function isWrite(verb: string): boolean {
  return verb === 'update' || verb === 'patch';
}
