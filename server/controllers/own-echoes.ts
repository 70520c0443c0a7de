import { sameValue } from '../../protocol/kinds/cause.ts';
import type { KubernetesObject, ObjectMeta } from '../../protocol/kinds/define-kind.ts';
import { objectKey, storedMeta } from '../../protocol/kinds/stored-object.ts';

/**
 * Tells a controller which change of an owner is only the status that it wrote itself. For controllers whose plan does not
 * depend on that: planning an owner of ten thousand pods anew for each count of them would double the work.
 */
export class OwnEchoes<O extends KubernetesObject> {
  readonly #written = new Map<string, string>();

  /** `owner` as it was planned for; `written` as the registry returned it, if anything was written. */
  wrote(owner: Readonly<O>, written: Readonly<O> | undefined): void {
    // What somebody else changed in between came with it, and a cache that was cut off would show only this.
    if (written && sameValue(lasting(owner), lasting(written)))
      this.#written.set(objectKey(written), storedMeta(written).resourceVersion);
  }

  isEcho(owner: Readonly<O>): boolean {
    return this.#written.get(objectKey(owner)) === storedMeta(owner).resourceVersion;
  }

  forget(key: string): void {
    this.#written.delete(key);
  }
}

function lasting({ metadata }: Readonly<KubernetesObject>): ObjectMeta {
  const { resourceVersion: _revision, managedFields: _fields, ...rest } = metadata ?? {};
  return rest;
}
