import type { Node, Taint } from '../../protocol/generated/models.ts';
import { sameValue } from '../../protocol/kinds/cause.ts';
import { type Amounts, amountsOf, type PodRequest } from './pod-request.ts';

/** One node as the scheduler sees it: what it offers and what bound (or just placed) pods take of it. */
export interface NodeState {
  readonly name: string;
  /** Absent while pods are bound to a Node that is not there. */
  node: Readonly<Node> | undefined;
  labels: Readonly<Record<string, string>>;
  /** Status of the condition Ready. */
  ready: string;
  unschedulable: boolean;
  /** NoSchedule and NoExecute. */
  hardTaints: readonly Taint[];
  /** PreferNoSchedule. */
  softTaints: readonly Taint[];
  allocatable: Readonly<Amounts>;
  /** When any of the above changed last, milliseconds since 1970; -Infinity when it never did. */
  changedAtMs: number;
  readonly requested: Amounts;
  readonly pods: Map<string, PodRequest>;
  /** Pods that shall come here when the pods that make room for them are gone, by uid. */
  readonly nominated: Map<string, PodRequest>;
  /** Bytes of the images that the node has, by name. */
  images: ReadonlyMap<string, number>;
  readonly hostPorts: Map<string, number>;
}

const noImages: ReadonlyMap<string, number> = new Map();

export function createNodeState(name: string): NodeState {
  return {
    name,
    node: undefined,
    labels: {},
    ready: 'Unknown',
    unschedulable: false,
    hardTaints: [],
    softTaints: [],
    allocatable: {},
    changedAtMs: Number.NEGATIVE_INFINITY,
    requested: {},
    pods: new Map(),
    nominated: new Map(),
    images: noImages,
    hostPorts: new Map(),
  };
}

/** Whether what the Node says now decides placements differently. A heartbeat does not. */
export function isNewsOfNode(state: Readonly<NodeState>, node: Readonly<Node>): boolean {
  return !state.node || !sameValue(factsOf(state.node), factsOf(node));
}

/** Takes over what the Node says now. */
export function updateNode(state: NodeState, node: Readonly<Node>, nowMs: number): void {
  const before = state.node;
  state.node = node;
  const taints = node.spec?.taints ?? [];
  state.labels = node.metadata?.labels ?? {};
  state.ready = readyStatus(node);
  state.unschedulable = node.spec?.unschedulable ?? false;
  state.hardTaints = taints.filter(({ effect }) => effect !== 'PreferNoSchedule');
  state.softTaints = taints.filter(({ effect }) => effect === 'PreferNoSchedule');
  state.allocatable = amountsOf(node.status?.allocatable);
  state.images = imagesOf(node);
  if (before) state.changedAtMs = nowMs;
}

function imagesOf(node: Readonly<Node>): ReadonlyMap<string, number> {
  const { images = [] } = node.status ?? {};
  if (images.length === 0) return noImages;
  return new Map(images.flatMap(({ names = [], sizeBytes = 0 }) => names.map((name) => [name, sizeBytes])));
}

function factsOf(node: Readonly<Node>): unknown[] {
  const { taints, unschedulable } = node.spec ?? {};
  const { allocatable, images } = node.status ?? {};
  return [node.metadata?.labels, taints, unschedulable, readyStatus(node), allocatable, images];
}

function readyStatus(node: Readonly<Node>): string {
  return node.status?.conditions?.find(({ type }) => type === 'Ready')?.status ?? 'Unknown';
}

export function placePod(state: NodeState, request: PodRequest): void {
  if (state.pods.has(request.uid)) return;
  state.pods.set(request.uid, request);
  for (const [name, amount] of request.amounts) {
    state.requested[name] = (state.requested[name] ?? 0) + amount;
  }
  for (const port of request.hostPorts) state.hostPorts.set(port, (state.hostPorts.get(port) ?? 0) + 1);
}

export function removePod(state: NodeState, uid: string): void {
  const request = state.pods.get(uid);
  if (!request) return;
  state.pods.delete(uid);
  for (const [name, amount] of request.amounts) {
    state.requested[name] = (state.requested[name] ?? 0) - amount;
  }
  for (const port of request.hostPorts) {
    const count = (state.hostPorts.get(port) ?? 0) - 1;
    if (count > 0) state.hostPorts.set(port, count);
    else state.hostPorts.delete(port);
  }
}
