import type { Event, Lease, Node, Pod } from '../../../protocol/generated/models.ts';
import { sameValue } from '../../../protocol/kinds/cause.ts';
import type { KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import type { AdmissionPlugin } from '../../admission/define-admission.ts';
import { mayLabelItself } from '../../nodes/node-labels.ts';
import type { AdmissionRequest } from '../../registry/admission.ts';
import { forbidden } from '../../registry/failures.ts';
import { type NodePods, nodeOfUser } from './node-authorizer.ts';

/**
 * What a device may write is decided by what it writes, not only by where: nothing that decides which pods it gets,
 * and nothing about anybody else (source: Kubernetes' admission plugin NodeRestriction).
 */
export function nodeRestriction(pods: NodePods): AdmissionPlugin {
  return {
    handles: ({ user, operation }) => operation !== 'CONNECT' && nodeOfUser(user) !== undefined,
    validate(request) {
      const { kind, user, object: next, oldObject: old } = request;
      const node = nodeOfUser(user);
      if (node === undefined || !isOfObject(request)) return;
      const place = kind.group === '' ? kind.plural : `${kind.plural}.${kind.group}`;
      const why = checks[place]?.({ next, old, node, pods });
      if (why !== undefined) throw forbidden(kind, (next ?? old)?.metadata?.name ?? '', why);
    },
  };
}

/** What is posted to a subresource (a binding, an eviction) is no object of the kind. */
function isOfObject({ operation, subresource }: AdmissionRequest): boolean {
  return operation !== 'CREATE' || subresource === '';
}

interface Question {
  next: Readonly<KubernetesObject> | undefined;
  old: Readonly<KubernetesObject> | undefined;
  node: string;
  pods: NodePods;
}

/** Each says why not, or undefined. */
const checks: Readonly<Record<string, ((question: Question) => string | undefined) | undefined>> = {
  __proto__: null as never,
  nodes: checkNode,
  pods: ({ node, next, old }) => {
    const owner = ((old ?? next) as Pod | undefined)?.spec?.nodeName;
    return owner === node ? undefined : `node ${quote(node)} can only write pods that are bound to it`;
  },
  'leases.coordination.k8s.io': ({ node, next, old }) => {
    const { namespace, name } = ((next ?? old) as Lease).metadata ?? {};
    if (namespace === 'kube-node-lease' && name === node) return undefined;
    return `can only access node lease with the same name as the requesting node`;
  },
  events: ({ node, next, pods }) => {
    const { kind, namespace, name } = (next as Event | undefined)?.involvedObject ?? {};
    if (kind === 'Node' && name === node) return undefined;
    const pod = kind === 'Pod' && namespace && name ? pods.get(namespace, name) : undefined;
    if (pod?.spec?.nodeName === node) return undefined;
    return `node ${quote(node)} can only report events of itself and of its pods`;
  },
};

function checkNode({ node, next, old }: Question): string | undefined {
  const name = (next ?? old)?.metadata?.name ?? '';
  if (name !== node) return `node ${quote(node)} is not allowed to modify node ${quote(name)}`;
  if (!next) return `node ${quote(node)} is not allowed to delete itself`;
  const after = next as Node;
  const before = old as Node | undefined;
  if (before && !sameValue(after.spec?.taints ?? [], before.spec?.taints ?? []))
    return `node ${quote(node)} is not allowed to modify taints`;
  if (before && !sameValue(after.spec ?? {}, before.spec ?? {}))
    return `node ${quote(node)} is not allowed to modify its spec`;
  if (!sameValue(after.metadata?.ownerReferences ?? [], before?.metadata?.ownerReferences ?? []))
    return `node ${quote(node)} is not allowed to modify owner references`;
  const annotation = changedKeys(after.metadata?.annotations, before?.metadata?.annotations).find(isOurs);
  if (annotation !== undefined)
    return `node ${quote(node)} is not allowed to modify the annotation ${annotation}`;
  const labels = changedKeys(after.metadata?.labels, before?.metadata?.labels).filter(
    (key) => !mayLabelItself(key),
  );
  if (labels.length > 0) return `is not allowed to modify labels: ${labels.sort().join(', ')}`;
  return undefined;
}

/** The server's notes about a device, such as which key it has. */
function isOurs(key: string): boolean {
  return key.startsWith('flotilla.dev/');
}

function changedKeys(after: Record<string, string> = {}, before: Record<string, string> = {}): string[] {
  const keys = new Set([...Object.keys(after), ...Object.keys(before)]);
  return [...keys].filter((key) => after[key] !== before[key]);
}

function quote(text: string): string {
  return JSON.stringify(text);
}
