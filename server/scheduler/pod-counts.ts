import type { Fleet, FleetObserver } from './fleet.ts';
import { LabelBuckets } from './label-buckets.ts';
import type { NodeState } from './node-state.ts';
import type { PodRequest } from './pod-request.ts';

/** Which placed pods are counted, by the domains that a label of their nodes makes. */
export interface Question {
  /** Two questions with the same key are the same. */
  key: string;
  topologyKey: string;
  matches: (pod: PodRequest) => boolean;
  /** Which nodes count; all when absent. */
  includes?: (node: NodeState) => boolean;
  /** See `bucketOf`. */
  bucket: string | undefined;
}

/** The answer to a question, live for as long as no other is asked. */
export interface Counts {
  /** Matching pods in the node's domain; undefined for a node that is in none. */
  at(node: NodeState): number | undefined;
  readonly total: number;
  /** Domains that have nodes. */
  readonly domains: number;
  /** Of the domain that has fewest; 0 without domains. */
  readonly min: number;
  readonly max: number;
}

/** More questions than this are not kept: the one asked longest ago is counted anew when it comes again. */
const questionsMax = 1024;

/**
 * Counts placed pods by topology domain, so that a pod costs the same in a fleet of ten nodes and of ten thousand: a
 * question that is asked again is answered from counts that every placement keeps true.
 */
export class PodCounts implements FleetObserver {
  readonly #fleet: Pick<Fleet, 'nodes'>;
  readonly #asked = new Map<string, DomainCounts>();
  readonly #buckets = new LabelBuckets<DomainCounts>();

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
    fleet.observe(this);
  }

  ask(question: Question): Counts {
    const { key } = question;
    let counts = this.#asked.get(key);
    if (counts) {
      this.#asked.delete(key);
    } else {
      counts = new DomainCounts(question);
      for (const node of this.#fleet.nodes) counts.nodeJoined(node);
      this.#buckets.add(counts, question.bucket);
    }
    this.#asked.set(key, counts);
    if (this.#asked.size > questionsMax) this.#forgetOldest();
    return counts;
  }

  /** For when what questions depend on beside pods and nodes has changed. */
  forgetAll(): void {
    for (const counts of this.#asked.values()) this.#buckets.remove(counts, counts.question.bucket);
    this.#asked.clear();
  }

  podPlaced(pod: PodRequest, node: NodeState): void {
    for (const counts of this.#buckets.candidates(pod)) counts.count(pod, node, 1);
  }

  podLeft(pod: PodRequest, node: NodeState): void {
    for (const counts of this.#buckets.candidates(pod)) counts.count(pod, node, -1);
  }

  nodeJoined(node: NodeState): void {
    for (const counts of this.#asked.values()) counts.nodeJoined(node);
  }

  nodeLeft(node: NodeState): void {
    for (const counts of this.#asked.values()) counts.nodeLeft(node);
  }

  #forgetOldest(): void {
    const [oldest] = this.#asked;
    if (!oldest) return;
    this.#asked.delete(oldest[0]);
    this.#buckets.remove(oldest[1], oldest[1].question.bucket);
  }
}

interface Domain {
  nodes: number;
  pods: number;
}

class DomainCounts implements Counts {
  readonly question: Question;
  readonly #domains = new Map<string, Domain>();
  /** How many domains hold so many pods. */
  readonly #sizes = new Map<number, number>();
  total = 0;
  #min = 0;
  #max = 0;

  constructor(question: Question) {
    this.question = question;
  }

  at(node: NodeState): number | undefined {
    const value = node.labels[this.question.topologyKey];
    return value === undefined ? undefined : (this.#domains.get(value)?.pods ?? 0);
  }

  get domains(): number {
    return this.#domains.size;
  }

  get min(): number {
    if (this.#domains.size === 0) return 0;
    while (!this.#sizes.has(this.#min)) this.#min += 1;
    return this.#min;
  }

  get max(): number {
    if (this.#domains.size === 0) return 0;
    while (!this.#sizes.has(this.#max)) this.#max -= 1;
    return this.#max;
  }

  count(pod: PodRequest, node: NodeState, by: number): void {
    if (!this.question.matches(pod)) return;
    const value = this.#domainOf(node);
    if (value !== undefined) this.#add(value, by);
  }

  nodeJoined(node: NodeState): void {
    const value = this.#domainOf(node);
    if (value === undefined) return;
    const domain = this.#domains.get(value);
    if (domain) domain.nodes += 1;
    else {
      this.#domains.set(value, { nodes: 1, pods: 0 });
      this.#resize(undefined, 0);
    }
    this.#add(value, this.#matching(node));
  }

  nodeLeft(node: NodeState): void {
    const value = this.#domainOf(node);
    if (value === undefined) return;
    this.#add(value, -this.#matching(node));
    const domain = this.#domains.get(value);
    if (!domain) return;
    domain.nodes -= 1;
    if (domain.nodes > 0) return;
    this.#domains.delete(value);
    this.#resize(domain.pods, undefined);
  }

  #domainOf(node: NodeState): string | undefined {
    const { topologyKey, includes } = this.question;
    if (includes && !includes(node)) return undefined;
    return node.labels[topologyKey];
  }

  #matching(node: NodeState): number {
    let matching = 0;
    for (const pod of node.pods.values()) if (this.question.matches(pod)) matching += 1;
    return matching;
  }

  #add(value: string, by: number): void {
    const domain = this.#domains.get(value);
    if (!domain || by === 0) return;
    this.#resize(domain.pods, domain.pods + by);
    domain.pods += by;
    this.total += by;
  }

  #resize(from: number | undefined, to: number | undefined): void {
    if (from !== undefined) {
      const left = (this.#sizes.get(from) ?? 0) - 1;
      if (left > 0) this.#sizes.set(from, left);
      else this.#sizes.delete(from);
    }
    if (to === undefined) return;
    this.#sizes.set(to, (this.#sizes.get(to) ?? 0) + 1);
    this.#min = Math.min(this.#min, to);
    this.#max = Math.max(this.#max, to);
  }
}
