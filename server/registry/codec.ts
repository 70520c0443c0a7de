import {
  apiVersionOf,
  type KindDefinition,
  type KubernetesObject,
} from '../../protocol/kinds/define-kind.ts';
import { limits } from '../../protocol/limits.ts';
import { StatusError } from '../../protocol/status.ts';
import type { Entry } from '../store/store.ts';
import { tooLargeObject } from './failures.ts';

/** Objects to bytes and back. Bytes are UTF-8. */
export function encode(object: KubernetesObject): Uint8Array {
  const bytes = Buffer.from(canonicalText(object));
  if (bytes.length > limits.objectBytesMax) throw tooLargeObject();
  return bytes;
}

/**
 * JSON without resourceVersion: that is the revision of the entry, which is not known before the write. What tells kinds
 * apart and the metadata come first, so that lists can put it in without parsing.
 */
export function canonicalText({ apiVersion, kind, metadata, ...content }: KubernetesObject): string {
  const { resourceVersion: _, ...stored } = metadata ?? {};
  return JSON.stringify({ apiVersion, kind, metadata: stored, ...content });
}

/** A copy of its own for each caller. Defaults that came with a later release are filled in. */
export function decode<T extends KubernetesObject>(kind: KindDefinition<T>, entry: Entry): T {
  if (kind.view) return viewOf(kind, decode(kind.view.of, entry));
  const object = atEntry(parse(entry), entry) as T;
  const apiVersion = apiVersionOf(kind);
  if (kind.custom?.conversion?.convert && object.apiVersion !== apiVersion)
    throw new TypeError(`${entry.key} is read as ${apiVersion} before it was converted`);
  object.apiVersion = apiVersion;
  object.kind = kind.kind;
  kind.applyDefaults?.(object);
  return object;
}

/** With the resourceVersion of its entry, in place. */
export function atEntry(object: KubernetesObject, { revision }: Entry): KubernetesObject {
  (object.metadata ??= {}).resourceVersion = String(revision);
  return object;
}

/** A stored object as `kind` shows it: itself, unless the kind is a view. */
export function viewOf<T extends KubernetesObject>(kind: KindDefinition<T>, stored: KubernetesObject): T {
  if (!kind.view) return stored as T;
  return { ...kind.view.fromStored(stored), apiVersion: apiVersionOf(kind), kind: kind.kind };
}

/** A copy that holds only what JSON can hold, as it would come back from the store. */
export function plainCopy<T>(object: T): T {
  return JSON.parse(JSON.stringify(object)) as T;
}

/** The same state under another resourceVersion; everything but the metadata is shared with `object`. */
export function atRevision<T extends KubernetesObject>(object: Readonly<T>, revision: number): T {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
}

/** As it was stored. Throws InternalError for what is no JSON. */
export function parse({ key, value }: Entry): KubernetesObject {
  const text = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8');
  try {
    return JSON.parse(text) as KubernetesObject;
  } catch (error) {
    throw new StatusError('InternalError', `Internal error occurred: ${key} does not hold valid JSON`, {
      cause: error,
    });
  }
}

/** Encoded size of what a decode cache remembers. */
export const decodedBytesMax = 4 * 1024 * 1024;

/**
 * Remembers decoded entries, so that a change seen by many watchers is parsed once. What it returns is shared:
 * never change it. An entry is its key and revision, so nothing in here becomes wrong while its kind stays; the
 * oldest is forgotten first.
 */
export class DecodeCache {
  readonly #decoded = new Map<string, { kind: unknown; object: KubernetesObject; bytes: number }>();
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax = decodedBytesMax) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  decode<T extends KubernetesObject>(kind: KindDefinition<T>, entry: Entry): Readonly<T> {
    return this.find(kind, entry) ?? this.put(kind, entry, decode(kind, entry));
  }

  find<T extends KubernetesObject>(kind: KindDefinition<T>, entry: Entry): Readonly<T> | undefined {
    const known = this.#decoded.get(idOf(kind, entry));
    // The definition of a kind may have changed since.
    return known?.kind === kind ? (known.object as T) : undefined;
  }

  put<T extends KubernetesObject>(kind: KindDefinition<T>, entry: Entry, object: T): Readonly<T> {
    const id = idOf(kind, entry);
    const bytes = entry.value.byteLength;
    if (!this.#decoded.has(id)) this.#bytes += bytes;
    this.#decoded.set(id, { kind, object, bytes });
    this.#evict();
    return object;
  }

  #evict(): void {
    for (const [id, { bytes }] of this.#decoded) {
      if (this.#bytes <= this.#bytesMax) return;
      this.#decoded.delete(id);
      this.#bytes -= bytes;
    }
  }
}

function idOf(kind: KindDefinition, { revision, key }: Entry): string {
  return `${revision}${apiVersionOf(kind)}${key}`;
}
