import type { Node, Pod } from '../../protocol/generated/models.ts';
import { storedMeta } from '../../protocol/kinds/stored-object.ts';
import type { CacheChange } from '../cache/informer.ts';
import {
  createNodeState,
  type NodeState,
  type PodRequest,
  placePod,
  podRequest,
  removePod,
  updateNode,
} from './node-state.ts';

/**
 * All nodes with what is placed on them, kept up to date change by change. A pod that was just placed counts at once, before its
 * binding is stored; when the binding fails it is taken back.
 */
export class Fleet {
  readonly #nodes = new Map<string, NodeState>();
  readonly #ring: NodeState[] = [];
  /** Where each pod counts. */
  readonly #placed = new Map<string, string>();
  /** Pods bound to nodes that are not here (yet). */
  readonly #homeless = new Map<string, Map<string, PodRequest>>();

  /** In no particular order, but stable while no node comes or goes. */
  get nodes(): readonly NodeState[] {
    return this.#ring;
  }

  applyNode(change: CacheChange<Node>): void {
    const { name } = storedMeta(change.object);
    if (change.type === 'deleted') return this.#removeNode(name);
    const state = this.#nodes.get(name);
    if (state) return updateNode(state, change.object);
    const created = createNodeState(change.object);
    this.#nodes.set(name, created);
    this.#ring.push(created);
    for (const request of this.#homeless.get(name)?.values() ?? []) placePod(created, request);
    this.#homeless.delete(name);
  }

  /** Follows a pod's binding and end; returns true when room was freed. */
  applyPod(change: CacheChange<Pod>): boolean {
    const { object } = change;
    const { uid } = storedMeta(object);
    const node = object.spec?.nodeName;
    const finished = object.status?.phase === 'Succeeded' || object.status?.phase === 'Failed';
    if (change.type === 'deleted' || !node || finished) {
      // A pod that was placed but whose binding is not stored yet still looks unbound here.
      if (change.type === 'updated' && !node && !change.old.spec?.nodeName) return false;
      if (change.type === 'added' && !finished) return false;
      return this.release(uid);
    }
    if (this.#placed.get(uid) === node) return false;
    this.release(uid);
    this.place(node, podRequest(object));
    return false;
  }

  place(node: string, request: PodRequest): void {
    this.#placed.set(request.uid, node);
    const state = this.#nodes.get(node);
    if (state) return placePod(state, request);
    const waiting = this.#homeless.get(node) ?? new Map<string, PodRequest>();
    this.#homeless.set(node, waiting.set(request.uid, request));
  }

  /** The pod no longer takes room anywhere; true when it did. */
  release(uid: string): boolean {
    const node = this.#placed.get(uid);
    if (node === undefined) return false;
    this.#placed.delete(uid);
    const state = this.#nodes.get(node);
    if (state) removePod(state, uid);
    else this.#homeless.get(node)?.delete(uid);
    return true;
  }

  #removeNode(name: string): void {
    const state = this.#nodes.get(name);
    if (!state) return;
    this.#nodes.delete(name);
    const last = this.#ring.pop();
    if (last && last !== state) this.#ring[this.#ring.indexOf(state)] = last;
    if (state.pods.size > 0) this.#homeless.set(name, new Map(state.pods));
  }
}
