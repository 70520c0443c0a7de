import type { Container, Node, Pod } from '../../protocol/generated/models.ts';
import { storedMeta } from '../../protocol/kinds/stored-object.ts';
import { quantityMillis, quantityValue } from '../../protocol/quantity.ts';

/** Amounts by resource name: cpu in thousandths of a core, all else in its own unit (bytes, pieces). */
export type Amounts = Record<string, number>;

/** What the scheduler needs of a pod, worked out once. */
export interface PodRequest {
  readonly pod: Readonly<Pod>;
  readonly uid: string;
  readonly requests: Readonly<Amounts>;
  /** `TCP/0.0.0.0/8080` of each host port. */
  readonly hostPorts: readonly string[];
}

/** One node as the scheduler sees it: what it offers and what bound (or just placed) pods take of it. */
export interface NodeState {
  readonly name: string;
  node: Readonly<Node>;
  allocatable: Readonly<Amounts>;
  readonly requested: Amounts;
  readonly pods: Map<string, PodRequest>;
  readonly hostPorts: Map<string, number>;
}

export function createNodeState(node: Readonly<Node>): NodeState {
  return {
    name: storedMeta(node).name,
    node,
    allocatable: amountsOf(node.status?.allocatable),
    requested: {},
    pods: new Map(),
    hostPorts: new Map(),
  };
}

export function updateNode(state: NodeState, node: Readonly<Node>): void {
  if (node.status?.allocatable !== state.node.status?.allocatable)
    state.allocatable = amountsOf(node.status?.allocatable);
  state.node = node;
}

export function placePod(state: NodeState, request: PodRequest): void {
  if (state.pods.has(request.uid)) return;
  state.pods.set(request.uid, request);
  for (const [name, amount] of Object.entries(request.requests)) {
    state.requested[name] = (state.requested[name] ?? 0) + amount;
  }
  for (const port of request.hostPorts) state.hostPorts.set(port, (state.hostPorts.get(port) ?? 0) + 1);
}

export function removePod(state: NodeState, uid: string): void {
  const request = state.pods.get(uid);
  if (!request) return;
  state.pods.delete(uid);
  for (const [name, amount] of Object.entries(request.requests)) {
    state.requested[name] = (state.requested[name] ?? 0) - amount;
  }
  for (const port of request.hostPorts) {
    const count = (state.hostPorts.get(port) ?? 0) - 1;
    if (count > 0) state.hostPorts.set(port, count);
    else state.hostPorts.delete(port);
  }
}

/**
 * A pod's effective requests (Kubernetes' PodRequests): the containers' sum with restartable init containers, or the
 * largest init container with the sidecars started before it where that is more; plus overhead.
 */
export function podRequest(pod: Readonly<Pod>): PodRequest {
  const spec = pod.spec;
  const requests: Amounts = {};
  for (const container of spec?.containers ?? []) addTo(requests, requestsOf(container));
  const sidecars: Amounts = {};
  const initial: Amounts = {};
  for (const container of spec?.initContainers ?? []) {
    const own = requestsOf(container);
    if (container.restartPolicy === 'Always') {
      addTo(sidecars, own);
      maxInto(initial, sidecars);
    } else {
      maxInto(initial, addTo({ ...sidecars }, own));
    }
  }
  maxInto(addTo(requests, sidecars), initial);
  addTo(requests, amountsOf(spec?.overhead));
  requests.pods = 1;
  const hostPorts = (spec?.containers ?? []).flatMap((container) =>
    (container.ports ?? []).flatMap(({ hostPort, protocol, hostIP }) =>
      hostPort ? [`${protocol ?? 'TCP'}/${hostIP || '0.0.0.0'}/${hostPort}`] : [],
    ),
  );
  return { pod, uid: storedMeta(pod).uid, requests, hostPorts };
}

function requestsOf(container: Readonly<Container>): Amounts {
  return amountsOf({ ...container.resources?.limits, ...container.resources?.requests });
}

function amountsOf(quantities: Readonly<Record<string, string>> | undefined): Amounts {
  const amounts: Amounts = {};
  for (const [name, text] of Object.entries(quantities ?? {})) {
    amounts[name] = name === 'cpu' ? quantityMillis(text) : quantityValue(text);
  }
  return amounts;
}

function addTo(target: Amounts, more: Readonly<Amounts>): Amounts {
  for (const [name, amount] of Object.entries(more)) target[name] = (target[name] ?? 0) + amount;
  return target;
}

function maxInto(target: Amounts, other: Readonly<Amounts>): void {
  for (const [name, amount] of Object.entries(other)) target[name] = Math.max(target[name] ?? 0, amount);
}
