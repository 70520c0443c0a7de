import type { Node, Pod } from '../../protocol/generated/models.ts';
import { sameValue } from '../../protocol/kinds/cause.ts';
import { heldSpec } from '../../protocol/kinds/pod-spec/held-resources.ts';
import { controllerOf, storedMeta } from '../../protocol/kinds/stored-object.ts';
import type { CacheChange } from '../cache/informer.ts';
import {
  createNodeState,
  isNewsOfNode,
  type NodeState,
  placePod,
  removePod,
  updateNode,
} from './node-state.ts';
import { type PodRequest, podRequest } from './pod-request.ts';

/** Hears how the fleet changes. Nodes that are not there, and pods on them, are not told of. */
export interface FleetObserver {
  podPlaced(pod: PodRequest, node: NodeState): void;
  podLeft(pod: PodRequest, node: NodeState): void;
  /** With the pods that are on it. A node whose labels or taints change leaves as it was and joins as it is. */
  nodeJoined(node: NodeState): void;
  nodeLeft(node: NodeState): void;
}

/**
 * All nodes with what is placed on them. Two things are known of a pod: where the cache shows it bound, and where
 * the scheduler has placed it while its binding is not in the cache yet. It counts where it is bound, else where it
 * is placed; every change goes through `#track`, which moves its weight when that answer changes. So the fleet is,
 * at any time, what those two facts of each pod add up to, in whatever order they came.
 */
export class Fleet {
  /** Nodes that are there, and nodes that are not but have pods bound to them. */
  readonly #nodes = new Map<string, NodeState>();
  readonly #ring: NodeState[] = [];
  readonly #ringIndex = new Map<string, number>();
  readonly #pods = new Map<string, TrackedPod>();
  readonly #nominations = new Map<string, NodeState>();
  readonly #observers: FleetObserver[] = [];

  /** What is there already is told at once. */
  observe(observer: FleetObserver): void {
    this.#observers.push(observer);
    for (const node of this.#ring) observer.nodeJoined(node);
  }

  /** The nodes that are there; in no particular order, but stable while none comes or goes. */
  get nodes(): readonly NodeState[] {
    return this.#ring;
  }

  nodeNamed(name: string): NodeState | undefined {
    const index = this.#ringIndex.get(name);
    return index === undefined ? undefined : this.#ring[index];
  }

  /** Whether the scheduler has placed the pod and its binding is not in the cache yet. */
  isPlaced(uid: string): boolean {
    return this.#pods.get(uid)?.placed !== undefined;
  }

  /** True when the node may take pods that it did not take before. */
  applyNode({ type, object }: CacheChange<Node>, nowMs: number): boolean {
    const { name } = storedMeta(object);
    if (type === 'deleted') {
      this.#leaveRing(name);
      return false;
    }
    const state = this.#stateOf(name);
    if (!this.#ringIndex.has(name)) {
      this.#ringIndex.set(name, this.#ring.length);
      this.#ring.push(state);
    } else if (isNewsOfNode(state, object)) {
      for (const observer of this.#observers) observer.nodeLeft(state);
    } else {
      state.node = object;
      return false;
    }
    updateNode(state, object, nowMs);
    for (const observer of this.#observers) observer.nodeJoined(state);
    return true;
  }

  /** Returns the node on which room became free. */
  applyPod({ type, object }: CacheChange<Pod>): string | undefined {
    const { uid, resourceVersion } = storedMeta(object);
    if (type === 'deleted') return this.#track(uid, () => undefined);
    return this.#track(uid, ({ bound, placed }) => {
      const seen = Number(resourceVersion);
      const node = isFinished(object) ? undefined : object.spec?.nodeName;
      if (!node) return { seen, placed: isOutdated(placed, seen) ? undefined : placed };
      if (bound?.node === node && isSameRequest(bound.request, object)) {
        bound.request.pod = object;
        return { seen, bound };
      }
      return { seen, bound: { node, request: podRequest(object) } };
    });
  }

  /** Counts the pod on the node at once, before its binding is stored. */
  place(node: string, request: PodRequest): void {
    this.#track(request.uid, ({ seen, bound }) => ({ seen, bound, placed: { node, request } }));
  }

  /**
   * The binding was stored at `revision`: from there on the cache knows better. Returns the node it freed, if it
   * did.
   */
  confirm(uid: string, revision: number): string | undefined {
    if (!this.#pods.has(uid)) return undefined;
    return this.#track(uid, ({ seen, bound, placed }) => {
      if (!placed || revision <= seen) return { seen, bound };
      return { seen, bound, placed: { ...placed, revision } };
    });
  }

  /** The binding was not stored. Returns the node on which room became free. */
  takeBack(uid: string): string | undefined {
    if (!this.#pods.has(uid)) return undefined;
    return this.#track(uid, ({ seen, bound }) => ({ seen, bound }));
  }

  /** Changes what is known of a pod (undefined: it is gone), and moves its weight accordingly. */
  #track(uid: string, change: (pod: TrackedPod) => TrackedPod | undefined): string | undefined {
    const before = this.#pods.get(uid) ?? unknownPod;
    const after = change(before);
    if (after) this.#pods.set(uid, after);
    else this.#pods.delete(uid);
    const from = before.bound ?? before.placed;
    const to = after?.bound ?? after?.placed;
    if (from?.node === to?.node && (!from || from.request === to?.request || !to)) return undefined;
    if (from) this.#remove(from);
    if (to) this.#add(to);
    if (from) this.#dropIfEmpty(this.#stateOf(from.node));
    return from?.node;
  }

  #add({ node, request }: Placement): void {
    const state = this.#stateOf(node);
    if (state.pods.has(request.uid)) return;
    placePod(state, request);
    if (this.#ringIndex.has(node)) for (const observer of this.#observers) observer.podPlaced(request, state);
  }

  #remove({ node, request: { uid } }: Placement): void {
    const state = this.#stateOf(node);
    const request = state.pods.get(uid);
    if (!request) return;
    removePod(state, uid);
    if (this.#ringIndex.has(node)) for (const observer of this.#observers) observer.podLeft(request, state);
  }

  /**
   * What `look` finds while these pods of a node are not there; it may put some back. Afterwards all are there again:
   * nothing else happens meanwhile, so nobody else sees the fleet so.
   */
  without<R>(node: NodeState, pods: readonly PodRequest[], look: (moving: MovablePods) => R): R {
    const take = (request: PodRequest) => this.#remove({ node: node.name, request });
    const putBack = (request: PodRequest) => this.#add({ node: node.name, request });
    for (const request of pods) take(request);
    try {
      return look({ take, putBack });
    } finally {
      for (const request of pods) putBack(request);
    }
  }

  /** Where room is kept for the pod. */
  nominated(uid: string): NodeState | undefined {
    return this.#nominations.get(uid);
  }

  /** Keeps room on the node for the pod, or on none. */
  nominate(request: PodRequest, node: string | undefined): void {
    this.#nominations.get(request.uid)?.nominated.delete(request.uid);
    this.#nominations.delete(request.uid);
    const state = node === undefined ? undefined : this.nodeNamed(node);
    if (!state) return;
    state.nominated.set(request.uid, request);
    this.#nominations.set(request.uid, state);
  }

  #stateOf(name: string): NodeState {
    let state = this.#nodes.get(name);
    if (!state) {
      state = createNodeState(name);
      this.#nodes.set(name, state);
    }
    return state;
  }

  #leaveRing(name: string): void {
    const index = this.#ringIndex.get(name);
    const state = this.#nodes.get(name);
    if (index === undefined || !state) return;
    this.#ringIndex.delete(name);
    const last = this.#ring.pop();
    if (last && last !== state) {
      this.#ring[index] = last;
      this.#ringIndex.set(last.name, index);
    }
    for (const observer of this.#observers) observer.nodeLeft(state);
    for (const uid of state.nominated.keys()) this.#nominations.delete(uid);
    state.nominated.clear();
    state.node = undefined;
    this.#dropIfEmpty(state);
  }

  #dropIfEmpty({ name, pods }: NodeState): void {
    if (pods.size === 0 && !this.#ringIndex.has(name)) this.#nodes.delete(name);
  }
}

export interface MovablePods {
  take: (pod: PodRequest) => void;
  putBack: (pod: PodRequest) => void;
}

interface Placement {
  readonly node: string;
  readonly request: PodRequest;
}

interface TrackedPod {
  /** resourceVersion of the pod as the cache showed it last; 0 when it did not. */
  readonly seen: number;
  readonly bound?: Placement | undefined;
  /** `revision`: of the binding, once that is stored. */
  readonly placed?: (Placement & { readonly revision?: number }) | undefined;
}

const unknownPod: TrackedPod = { seen: 0 };

/** The cache has passed the binding without showing it: it was taken back meanwhile. */
function isOutdated(placed: TrackedPod['placed'], seen: number): boolean {
  return placed?.revision !== undefined && placed.revision <= seen;
}

/** Of what is bound only its resources (in-place resize), labels, owner and whether it is being deleted may change. */
function isSameRequest({ pod, isTerminating }: PodRequest, object: Readonly<Pod>): boolean {
  return (
    isTerminating === (object.metadata?.deletionTimestamp !== undefined) &&
    sameValue(pod.metadata?.labels, object.metadata?.labels) &&
    controllerOf(pod)?.uid === controllerOf(object)?.uid &&
    (pod.metadata?.generation ?? 0) === (object.metadata?.generation ?? 0) &&
    !isResizing(pod) &&
    !isResizing(object)
  );
}

function isResizing(pod: Readonly<Pod>): boolean {
  return heldSpec(pod) !== pod.spec;
}

function isFinished({ status }: Readonly<Pod>): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}
