import type { Clock } from '../../../lib/clock.ts';
import type { Node, Taint } from '../../../protocol/generated/models.ts';
import { storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { isSilenceTaint } from './taints.ts';

/**
 * While no node at all is ready, it is the server or its network that is out of reach, not the devices: nobody's pods go
 * for that (Kubernetes' full disruption). When the first node is back, the time of the others begins: they are about to
 * be back as well. A server that has just started has heard of nobody, and waits in the same way.
 */
export class SharedSilence {
  readonly #clock: Clock;
  readonly #enqueue: (node: string) => void;
  readonly #ready = new Set<string>();
  readonly #held = new Set<string>();

  #endedAtMs = 0;

  constructor(clock: Clock, enqueue: (node: string) => void) {
    this.#clock = clock;
    this.#enqueue = enqueue;
  }

  hear(node: string, isReady: boolean): void {
    if (!isReady) {
      this.#ready.delete(node);
      return;
    }
    if (this.#ready.size === 0) this.#endedAtMs = this.#clock.now();
    this.#ready.add(node);
    for (const held of this.#held) this.#enqueue(held);
    this.#held.clear();
  }

  /** Of the node's taints, those for which pods may have to go now. */
  taintsThatCount(node: Readonly<Node>): readonly Taint[] {
    const taints = node.spec?.taints ?? [];
    if (!taints.some(isSilenceTaint)) return taints;
    if (this.#ready.size > 0) return taints.map((taint) => this.#sinceTheEnd(taint));
    this.#held.add(storedMeta(node).name);
    return taints.filter((taint) => !isSilenceTaint(taint));
  }

  #sinceTheEnd(taint: Taint): Taint {
    if (!isSilenceTaint(taint) || Date.parse(taint.timeAdded ?? '') >= this.#endedAtMs) return taint;
    return { ...taint, timeAdded: new Date(this.#endedAtMs).toISOString() };
  }
}
