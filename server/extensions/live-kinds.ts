import type { KindDefinition } from '../../protocol/kinds/define-kind.ts';
import type { KindChange, KindSet } from '../../protocol/kinds/kind-set.ts';

/** The built-in kinds, and the versions of each definition's kind by the definition's name. */
export class LiveKinds implements KindSet {
  readonly #builtIn: readonly KindDefinition[];
  readonly #custom = new Map<string, readonly KindDefinition[]>();
  readonly #handlers = new Set<(change: KindChange) => void>();

  constructor(builtIn: readonly KindDefinition[]) {
    this.#builtIn = builtIn;
  }

  *[Symbol.iterator](): Iterator<KindDefinition> {
    yield* this.#builtIn;
    for (const versions of this.#custom.values()) yield* versions;
  }

  get builtIn(): readonly KindDefinition[] {
    return this.#builtIn;
  }

  /** The kinds that the definition gives; none where it is not in force. */
  of(definition: string): readonly KindDefinition[] {
    return this.#custom.get(definition) ?? [];
  }

  /** Puts the kinds of a definition in the place of those it gave before. */
  put(definition: string, added: readonly KindDefinition[]): void {
    const removed = this.of(definition);
    if (added.length === 0) this.#custom.delete(definition);
    else this.#custom.set(definition, added);
    if (added.length > 0 || removed.length > 0) this.#tell({ added, removed });
  }

  onChange(handler: (change: KindChange) => void): Disposable {
    const own = (change: KindChange) => handler(change);
    this.#handlers.add(own);
    return { [Symbol.dispose]: () => void this.#handlers.delete(own) };
  }

  #tell(change: KindChange): void {
    for (const handler of this.#handlers) handler(change);
  }
}
