import { type PodRequest, shapeOf } from './pod-request.ts';

/**
 * Pods that fit nowhere, grouped by shape. Pods of one shape fit the same nodes, so one of them is tried for all:
 * while it fails, the others need not be looked at, and each that is placed lets the next one try. Ten thousand
 * waiting replicas of one Deployment so cost one look when a node gets room, not ten thousand.
 */
export class WaitingPods {
  readonly #groups = new Map<string, Group>();
  readonly #groupOf = new Map<string, Group>();

  get size(): number {
    return this.#groupOf.size;
  }

  /**
   * Queues the pod behind others of its shape, if there are any, and says why those wait; undefined when the pod
   * shall be tried now: nobody waits before it, or it is the one that tries for all.
   */
  joinQueue(key: string, request: PodRequest): string | undefined {
    const own = this.#groupOf.get(key);
    if (own) return own.trying === key ? undefined : own.explanation;
    const group = this.#groups.get(shapeOf(request));
    if (!group) return undefined;
    group.keys.add(key);
    this.#groupOf.set(key, group);
    return group.explanation;
  }

  /** The pod was tried against every node and fits none; `explanation` says why. */
  add(key: string, request: PodRequest, explanation: string): void {
    const shape = shapeOf(request);
    let group = this.#groupOf.get(key) ?? this.#groups.get(shape);
    if (!group) {
      group = { shape, sample: request, explanation, keys: new Set(), trying: undefined };
      this.#groups.set(shape, group);
    }
    group.explanation = explanation;
    if (group.trying === key) group.trying = undefined;
    // Last, so that each gets its turn to be told how things stand.
    group.keys.delete(key);
    group.keys.add(key);
    this.#groupOf.set(key, group);
  }

  /** The pod waits no longer. Returns the pod that shall be tried in its place. */
  remove(key: string): string | undefined {
    const group = this.#groupOf.get(key);
    if (!group) return undefined;
    this.#groupOf.delete(key);
    group.keys.delete(key);
    if (group.keys.size === 0) {
      this.#groups.delete(group.shape);
      return undefined;
    }
    if (group.trying !== key) return undefined;
    [group.trying] = group.keys;
    return group.trying;
  }

  /** One pod of each shape that `mayFit` says yes to, unless one is being tried already. */
  takeHopeful(mayFit: (sample: PodRequest) => boolean): string[] {
    const keys: string[] = [];
    for (const group of this.#groups.values()) {
      if (group.trying !== undefined || !mayFit(group.sample)) continue;
      const [first] = group.keys;
      if (first === undefined) continue;
      group.trying = first;
      keys.push(first);
    }
    return keys;
  }

  /** Everybody, to be tried from the start. */
  takeAll(): string[] {
    const keys = [...this.#groupOf.keys()];
    this.#groups.clear();
    this.#groupOf.clear();
    return keys;
  }
}

interface Group {
  readonly shape: string;
  readonly sample: PodRequest;
  explanation: string;
  /** In order of arrival. */
  readonly keys: Set<string>;
  /** The one that is queued to be placed, for all of them. */
  trying: string | undefined;
}
