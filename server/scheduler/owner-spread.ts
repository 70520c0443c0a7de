import type { Fleet, FleetObserver } from './fleet.ts';
import type { NodeState } from './node-state.ts';
import type { PodRequest } from './pod-request.ts';

/** How the pods of one owner lie in the domains that a label of the nodes makes. */
export interface Spread {
  /** Pods in the node's domain; undefined for a node that is in none. */
  at(node: NodeState): number | undefined;
  /** Of the domain that has most. */
  readonly max: number;
}

/**
 * Where the pods of every owner are, by each of some labels of nodes, kept true by each placement. What it holds is as much as
 * there are placed pods, and nothing is ever counted anew: an owner that has none costs nothing, however large the fleet.
 */
export class OwnerSpread implements FleetObserver {
  readonly #topologyKeys: readonly string[];
  /** By uid of the owner; one for each topology key. */
  readonly #owners = new Map<string, DomainSizes[]>();

  constructor(fleet: Fleet, topologyKeys: readonly string[]) {
    this.#topologyKeys = topologyKeys;
    fleet.observe(this);
  }

  /** One for each topology key. True until something is placed or leaves. */
  of(owner: string): readonly Spread[] {
    return this.#owners.get(owner) ?? this.#topologyKeys.map((key) => new DomainSizes(key));
  }

  podPlaced(pod: PodRequest, node: NodeState): void {
    const owner = ownerOf(pod);
    if (owner === undefined) return;
    let sizes = this.#owners.get(owner);
    if (!sizes) {
      sizes = this.#topologyKeys.map((key) => new DomainSizes(key));
      this.#owners.set(owner, sizes);
    }
    for (const one of sizes) one.add(node, 1);
  }

  podLeft(pod: PodRequest, node: NodeState): void {
    const owner = ownerOf(pod);
    const sizes = owner === undefined ? undefined : this.#owners.get(owner);
    if (owner === undefined || !sizes) return;
    for (const one of sizes) one.add(node, -1);
    if (sizes.every(({ isEmpty }) => isEmpty)) this.#owners.delete(owner);
  }

  nodeJoined(node: NodeState): void {
    for (const pod of node.pods.values()) this.podPlaced(pod, node);
  }

  nodeLeft(node: NodeState): void {
    for (const pod of node.pods.values()) this.podLeft(pod, node);
  }
}

export function ownerOf({ pod }: PodRequest): string | undefined {
  return pod.metadata?.ownerReferences?.find(({ controller }) => controller)?.uid;
}

class DomainSizes implements Spread {
  readonly #topologyKey: string;
  readonly #domains = new Map<string, number>();
  /** How many domains hold so many pods. */
  readonly #sizes = new Map<number, number>();
  #max = 0;

  constructor(topologyKey: string) {
    this.#topologyKey = topologyKey;
  }

  get isEmpty(): boolean {
    return this.#domains.size === 0;
  }

  get max(): number {
    while (this.#max > 0 && !this.#sizes.has(this.#max)) this.#max -= 1;
    return this.#max;
  }

  at({ labels }: NodeState): number | undefined {
    const domain = labels[this.#topologyKey];
    return domain === undefined ? undefined : (this.#domains.get(domain) ?? 0);
  }

  add({ labels }: NodeState, by: number): void {
    const domain = labels[this.#topologyKey];
    if (domain === undefined) return;
    const before = this.#domains.get(domain) ?? 0;
    const after = before + by;
    if (after > 0) this.#domains.set(domain, after);
    else this.#domains.delete(domain);
    this.#count(before, -1);
    this.#count(after, 1);
    this.#max = Math.max(this.#max, after);
  }

  #count(size: number, by: number): void {
    if (size <= 0) return;
    const domains = (this.#sizes.get(size) ?? 0) + by;
    if (domains > 0) this.#sizes.set(size, domains);
    else this.#sizes.delete(size);
  }
}
