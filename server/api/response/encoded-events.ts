import type { KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import type { Chunk } from './chunk.ts';

/** What an event is sent as to everybody whose watch has the same `representation`. */
export interface SharedEvent {
  readonly representation: string;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: Readonly<KubernetesObject>;
}

/**
 * Watch frames by what they say, so that an event is serialised once for all who watch it in the same representation.
 * Holds the most recently used frames up to a number of bytes.
 */
export class EncodedEvents {
  readonly #bytesMax: number;
  readonly #frames = new Map<string, Chunk>();
  /** Asked for again by the next watcher and the next: making the key costs more than comparing. */
  #newest: { event: SharedEvent; frame: Chunk } | undefined;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** The frame of `event`, made by `encode` at its first use. */
  frame(event: SharedEvent, encode: () => Chunk): Chunk {
    if (this.#newest && isSame(this.#newest.event, event)) return this.#newest.frame;
    const frame = this.#find(event, encode);
    this.#newest = { event, frame };
    return frame;
  }

  get bytes(): number {
    return this.#bytes;
  }

  #find({ representation, type, object }: SharedEvent, encode: () => Chunk): Chunk {
    const { uid, resourceVersion } = object.metadata ?? {};
    if (uid === undefined || resourceVersion === undefined) return encode();
    const key = `${representation} ${type} ${uid} ${resourceVersion}`;
    const known = this.#frames.get(key);
    if (known) {
      this.#frames.delete(key);
      this.#frames.set(key, known);
      return known;
    }
    const frame = encode();
    this.#frames.set(key, frame);
    this.#bytes += frame.framed.length;
    this.#evict();
    return frame;
  }

  #evict(): void {
    for (const [key, frame] of this.#frames) {
      if (this.#bytes <= this.#bytesMax) return;
      this.#frames.delete(key);
      this.#bytes -= frame.framed.length;
    }
  }
}

function isSame(one: SharedEvent, other: SharedEvent): boolean {
  return (
    one.object === other.object && one.type === other.type && one.representation === other.representation
  );
}
