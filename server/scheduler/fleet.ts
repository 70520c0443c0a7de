import type { Node, Pod } from '../../protocol/generated/models.ts';
import { storedMeta } from '../../protocol/kinds/stored-object.ts';
import type { CacheChange } from '../cache/informer.ts';
import { createNodeState, type NodeState, placePod, removePod, updateNode } from './node-state.ts';
import { type PodRequest, podRequest } from './pod-request.ts';

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
    }
    return updateNode(state, object, nowMs);
  }

  /** Returns the node on which room became free. */
  applyPod({ type, object }: CacheChange<Pod>): string | undefined {
    const { uid, resourceVersion } = storedMeta(object);
    if (type === 'deleted') return this.#track(uid, () => undefined);
    return this.#track(uid, ({ bound, placed }) => {
      const seen = Number(resourceVersion);
      const node = isFinished(object) ? undefined : object.spec?.nodeName;
      if (!node) return { seen, placed: isOutdated(placed, seen) ? undefined : placed };
      // What a pod asks for does not change once it is bound.
      return { seen, bound: bound?.node === node ? bound : { node, request: podRequest(object) } };
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
    if (from?.node === to?.node) return undefined;
    if (to) placePod(this.#stateOf(to.node), to.request);
    if (!from) return undefined;
    const left = this.#stateOf(from.node);
    removePod(left, uid);
    this.#dropIfEmpty(left);
    return from.node;
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
    state.node = undefined;
    this.#dropIfEmpty(state);
  }

  #dropIfEmpty({ name, pods }: NodeState): void {
    if (pods.size === 0 && !this.#ringIndex.has(name)) this.#nodes.delete(name);
  }
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

function isFinished({ status }: Readonly<Pod>): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}
