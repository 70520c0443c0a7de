import type { Choice } from './choose-node.ts';
import type { NodeState } from './node-state.ts';
import { type PodRequest, shapeOf } from './pod-request.ts';

type None = Extract<Choice, { type: 'none' }>;

/** Shapes that are remembered at a time; the oldest gives way. */
const shapesMax = 16;

/**
 * What a look at the whole fleet found for a shape that fits nowhere, for the next important pod of that shape: a burst of
 * pods that all make room for themselves would otherwise search all nodes for each of them. It holds until something may
 * have helped.
 */
export class HopelessShapes {
  readonly #found = new Map<string, { sample: PodRequest; choice: None; curable: Set<NodeState> }>();

  get size(): number {
    return this.#found.size;
  }

  remember(sample: PodRequest, choice: None): void {
    const shape = shapeOf(sample);
    if (this.#found.has(shape)) return;
    this.#found.set(shape, { sample, choice, curable: new Set(choice.curable) });
    if (this.#found.size <= shapesMax) return;
    const [oldest] = this.#found.keys();
    if (oldest !== undefined) this.#found.delete(oldest);
  }

  recall(pod: PodRequest): None | undefined {
    if (this.#found.size === 0) return undefined;
    const found = this.#found.get(shapeOf(pod));
    return found && { ...found.choice, curable: [...found.curable] };
  }

  /** Room is being made there: no more is to be had. */
  spend(pod: PodRequest, node: NodeState): void {
    this.#found.get(shapeOf(pod))?.curable.delete(node);
  }

  /** Forgets the shapes that a change may have helped. */
  forget(mayHelp: (sample: PodRequest) => boolean): void {
    for (const [shape, { sample }] of this.#found) if (mayHelp(sample)) this.#found.delete(shape);
  }
}
