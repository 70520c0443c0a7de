import type { KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import { storedMeta } from '../../protocol/kinds/stored-object.ts';
import type { Informer } from '../cache/informer.ts';

/**
 * Keeps a controller from acting twice on the same observation: after it wrote objects for a key, the key waits
 * until the cache shows those writes. Revisions of one store are ordered, so one number a key is enough for what
 * was created or changed, where Kubernetes counts expectations object by object; what was deleted is remembered by
 * uid, for a removal leaves no object to read a revision from.
 *
 * Nothing is polled: the change that opens the fence is a change of an object of the key's owner and queues it by
 * itself.
 * `retry` is for the rare relist that hides a change (made and gone while the cache was cut off).
 */
export class WriteFence<T extends KubernetesObject> {
  /** What a reconcile answers while the fence is shut. */
  static readonly retry = { requeueAfterMs: 1_000 };

  readonly #informer: Informer<T>;
  readonly #writes = new Map<string, { revision: number; deleted: Set<string> }>();

  constructor(informer: Informer<T>) {
    this.#informer = informer;
  }

  /** `object` as the registry returned it from a create or a change. */
  wrote(key: string, object: Readonly<T>): void {
    const writes = this.#of(key);
    writes.revision = Math.max(writes.revision, Number(storedMeta(object).resourceVersion));
  }

  deleted(key: string, uid: string): void {
    this.#of(key).deleted.add(uid);
  }

  /** True when the cache shows everything written for `key`. */
  isOpen(key: string): boolean {
    const writes = this.#writes.get(key);
    if (!writes) return true;
    if (Number(this.#informer.resourceVersion) < writes.revision) return false;
    for (const uid of writes.deleted) {
      const object = this.#informer.getByUid(uid);
      if (object && object.metadata?.deletionTimestamp === undefined) return false;
    }
    this.#writes.delete(key);
    return true;
  }

  forget(key: string): void {
    this.#writes.delete(key);
  }

  #of(key: string): { revision: number; deleted: Set<string> } {
    let writes = this.#writes.get(key);
    if (!writes) {
      writes = { revision: 0, deleted: new Set() };
      this.#writes.set(key, writes);
    }
    return writes;
  }
}
