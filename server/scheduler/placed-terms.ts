import type { Fleet, FleetObserver } from './fleet.ts';
import { LabelBuckets } from './label-buckets.ts';
import type { NodeState } from './node-state.ts';
import type { PodRequest } from './pod-request.ts';
import type { PodTerm } from './pod-terms.ts';

export type WeightedTerm = PodTerm & { weight: number };

/** What placed pods want of others, added up by the domains in which they are. */
export interface PlacedTerm {
  /** Summed weights of the pods in the node's domain that have this term. */
  weightAt(node: NodeState): number;
  readonly most: number;
  readonly least: number;
}

/** Thousands of pods of one workload have one term: a pod that comes is held against each term once. */
export class PlacedTerms implements FleetObserver {
  readonly #termsOf: (pod: PodRequest) => readonly WeightedTerm[];
  readonly #terms = new Map<string, DomainWeights>();
  readonly #buckets = new LabelBuckets<DomainWeights>();

  constructor(fleet: Fleet, termsOf: (pod: PodRequest) => readonly WeightedTerm[]) {
    this.#termsOf = (pod) => (pod.pod.spec?.affinity ? termsOf(pod) : []);
    fleet.observe(this);
  }

  /** Terms that mean this pod. */
  matching(pod: PodRequest): PlacedTerm[] {
    const matching: PlacedTerm[] = [];
    for (const weights of this.#buckets.candidates(pod)) {
      if (weights.term.matches(pod)) matching.push(weights);
    }
    return matching;
  }

  podPlaced(pod: PodRequest, node: NodeState): void {
    this.#add(pod, node, 1);
  }

  podLeft(pod: PodRequest, node: NodeState): void {
    this.#add(pod, node, -1);
  }

  nodeJoined(node: NodeState): void {
    for (const pod of node.pods.values()) this.#add(pod, node, 1);
  }

  nodeLeft(node: NodeState): void {
    for (const pod of node.pods.values()) this.#add(pod, node, -1);
  }

  #add(pod: PodRequest, node: NodeState, sign: 1 | -1): void {
    for (const term of this.#termsOf(pod)) {
      const id = `${term.weight} ${term.key}`;
      let weights = this.#terms.get(id);
      if (!weights) {
        weights = new DomainWeights(term);
        this.#terms.set(id, weights);
        this.#buckets.add(weights, term.bucket);
      }
      weights.add(node, sign);
      if (!weights.isEmpty) continue;
      this.#terms.delete(id);
      this.#buckets.remove(weights, term.bucket);
    }
  }
}

class DomainWeights implements PlacedTerm {
  readonly term: WeightedTerm;
  readonly #pods = new Map<string, number>();
  #total = 0;

  constructor(term: WeightedTerm) {
    this.term = term;
  }

  get isEmpty(): boolean {
    return this.#pods.size === 0;
  }

  get most(): number {
    return Math.max(0, this.term.weight * this.#total);
  }

  get least(): number {
    return Math.min(0, this.term.weight * this.#total);
  }

  weightAt(node: NodeState): number {
    const value = node.labels[this.term.topologyKey];
    return value === undefined ? 0 : this.term.weight * (this.#pods.get(value) ?? 0);
  }

  add(node: NodeState, sign: 1 | -1): void {
    const value = node.labels[this.term.topologyKey];
    if (value === undefined) return;
    const pods = (this.#pods.get(value) ?? 0) + sign;
    this.#total += sign;
    if (pods > 0) this.#pods.set(value, pods);
    else this.#pods.delete(value);
  }
}
