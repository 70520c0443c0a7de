import {
  apiVersionOf,
  type KindDefinition,
  type KubernetesObject,
} from '../../protocol/kinds/define-kind.ts';
import type { Entry } from '../store/store.ts';
import { canonicalText, decode } from './codec.ts';

/** An object as JSON in two pieces, as lists show it: without kind and apiVersion, which the list has. */
export interface EncodedItem {
  readonly head: string;
  /** Shared with the store: never change it. */
  readonly tail?: Uint8Array;
}

const closingBrace = 0x7d;

/**
 * Makes items of entries. An object's JSON is its stored bytes with the resourceVersion put in, if they say what decoding
 * and encoding them gives: that is found out once, and remembered for as long as the store keeps the bytes in memory.
 * A custom kind whose definition changed is another kind.
 */
export class ItemEncoder {
  readonly #canonical = new WeakMap<Uint8Array, KindDefinition>();

  /** `object`: the entry decoded, where that is known. */
  encode<T extends KubernetesObject>(
    kind: KindDefinition<T>,
    entry: Entry,
    object?: Readonly<T>,
  ): EncodedItem {
    const stored = entry.value;
    if (this.#canonical.get(stored) === kind) return itemOf(kind, stored, entry.revision);
    const bytes = Buffer.from(canonicalText(object ?? decode(kind, entry)));
    if (bytes.equals(stored)) this.#canonical.set(stored, kind);
    return itemOf(kind, bytes, entry.revision);
  }
}

function itemOf(kind: KindDefinition, canonical: Uint8Array, revision: number): EncodedItem {
  const tail = canonical.subarray(headBytes(kind));
  const separator = tail[0] === closingBrace ? '' : ',';
  return { head: `{"metadata":{"resourceVersion":"${revision}"${separator}`, tail };
}

/** As far as the canonical text of every object of a kind is the same. */
function headBytes(kind: KindDefinition): number {
  const head = JSON.stringify({ apiVersion: apiVersionOf(kind), kind: kind.kind, metadata: {} });
  return Buffer.byteLength(head) - '}}'.length;
}
