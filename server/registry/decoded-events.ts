import type { KindDefinition, KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import type { WatchEvent } from '../store/store.ts';
import { atRevision, type DecodeCache } from './codec.ts';

/** What a store event says of objects of one kind, decoded when it is asked for. What it returns is shared: never change it. */
export class DecodedEvent<T extends KubernetesObject> {
  readonly kind: KindDefinition<T>;
  readonly #event: WatchEvent;
  readonly #cache: DecodeCache;
  #next: Readonly<T> | undefined;
  #last: Readonly<T> | undefined;
  #gone: Readonly<T> | undefined;

  constructor(kind: KindDefinition<T>, event: WatchEvent, cache: DecodeCache) {
    this.kind = kind;
    this.#event = event;
    this.#cache = cache;
  }

  /** Absent when the object was deleted. */
  get next(): Readonly<T> | undefined {
    const { type, key, value, revision } = this.#event;
    if (type === 'delete' || value === undefined) return undefined;
    return (this.#next ??= this.#cache.decode(this.kind, { key, value, revision }));
  }

  /** Absent when there was none. */
  get last(): Readonly<T> | undefined {
    const { previous } = this.#event;
    return previous && (this.#last ??= this.#cache.decode(this.kind, previous));
  }

  /** The last state, as a watcher that loses it is told of it: at the revision of the event. */
  get gone(): Readonly<T> | undefined {
    return this.last && (this.#gone ??= atRevision(this.last, this.#event.revision));
  }
}

/** All watchers of an event get it from here: it is looked up by what it is, not by what it says. */
export class DecodedEvents {
  readonly #cache: DecodeCache;
  readonly #known = new WeakMap<WatchEvent, DecodedEvent<KubernetesObject>>();

  constructor(cache: DecodeCache) {
    this.#cache = cache;
  }

  of<T extends KubernetesObject>(kind: KindDefinition<T>, event: WatchEvent): DecodedEvent<T> {
    const known = this.#known.get(event);
    // The event may be watched as another version, and a definition may have changed since.
    if (known?.kind === kind) return known as DecodedEvent<T>;
    const decoded = new DecodedEvent(kind, event, this.#cache);
    this.#known.set(event, decoded);
    return decoded;
  }
}
