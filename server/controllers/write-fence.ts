import type { KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import type { Informer } from '../cache/informer.ts';

/**
 * Keeps a controller from acting twice on the same observation: after it wrote objects for a key, the key waits until the cache
 * shows those writes. Revisions of one store are ordered, so one number a key is enough, where Kubernetes counts
 * expectations object by object.
 */
export class WriteFence<T extends KubernetesObject> {
  readonly #informer: Informer<T>;
  readonly #lastWrite = new Map<string, number>();

  constructor(informer: Informer<T>) {
    this.#informer = informer;
  }

  wrote(key: string, resourceVersion: string | undefined): void {
    const revision = Number(resourceVersion ?? 0);
    this.#lastWrite.set(key, Math.max(revision, this.#lastWrite.get(key) ?? 0));
  }

  /** True when the cache shows everything written for `key`. */
  isOpen(key: string): boolean {
    const last = this.#lastWrite.get(key);
    if (last === undefined) return true;
    if (Number(this.#informer.resourceVersion) < last) return false;
    this.#lastWrite.delete(key);
    return true;
  }

  forget(key: string): void {
    this.#lastWrite.delete(key);
  }
}
