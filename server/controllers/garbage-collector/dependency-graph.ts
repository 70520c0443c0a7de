import type {
  KindDefinition,
  KubernetesObject,
  OwnerReference,
} from '../../../protocol/kinds/define-kind.ts';
import { storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { isStatus } from '../../../protocol/status.ts';
import type { Informer } from '../../cache/informer.ts';
import type { Registry } from '../../registry/registry.ts';
import { byOwnerUid } from '../indexes.ts';

export const foregroundFinalizer = 'foregroundDeletion';
export const orphanFinalizer = 'orphan';

export interface Found {
  kind: KindDefinition;
  object: Readonly<KubernetesObject>;
}

/** `waiting`: being deleted in the foreground, so its dependents shall go. */
export type OwnerState = 'present' | 'waiting' | 'gone';

/**
 * Who owns whom, over the informers of all kinds. Every look-up costs its answer, never the number of objects.
 * Owners are found where Kubernetes looks for them: by kind and name, in the dependent's own namespace unless the
 * kind has none.
 */
export class DependencyGraph {
  readonly #registry: Registry;
  /** By group and plural: the versions of a kind share one. */
  readonly #informers = new Map<string, Informer<KubernetesObject>>();
  /**
   * By API version and kind, as references name it. One that is served no more stays: its objects are known to be
   * gone.
   */
  readonly #kinds = new Map<string, KindDefinition>();

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  get kinds(): readonly KindDefinition[] {
    return [...this.#informers.values()].map(({ kind }) => kind);
  }

  /** Whether the informer is new to the graph. */
  add(kind: KindDefinition, informer: Informer<KubernetesObject>): boolean {
    this.#kinds.set(placeOf(kind), kind);
    const resource = resourceOf(kind);
    if (this.#informers.get(resource) === informer) return false;
    this.#informers.set(resource, informer);
    return true;
  }

  /** Takes out what no version of is served any more; returns what it still held. */
  remove(kind: KindDefinition): Readonly<KubernetesObject>[] {
    const informer = this.#informers.get(resourceOf(kind));
    this.#informers.delete(resourceOf(kind));
    return informer ? [...informer.list()] : [];
  }

  find(uid: string): Found | undefined {
    for (const informer of this.#informers.values()) {
      const object = informer.getByUid(uid);
      if (object) return { kind: informer.kind, object };
    }
    return undefined;
  }

  dependentsOf(ownerUid: string): Found[] {
    return [...this.eachDependentOf(ownerUid)];
  }

  /** One by one; not to be kept over an await. */
  *eachDependentOf(ownerUid: string): Generator<Found> {
    for (const informer of this.#informers.values())
      for (const object of informer.eachByIndex(byOwnerUid.name, ownerUid))
        yield { kind: informer.kind, object };
  }

  /** Believes an owner gone only when the registry itself says so, never because the cache has not seen it yet. */
  async ownerState(reference: OwnerReference, dependent: Readonly<KubernetesObject>): Promise<OwnerState> {
    const kind = this.#kinds.get(`${groupOf(reference.apiVersion)}/${reference.kind}`);
    // An owner of a kind that this server does not know may live elsewhere: leave its dependents alone.
    if (!kind) return 'present';
    const namespace = kind.namespaced ? dependent.metadata?.namespace : undefined;
    // Nobody can tell in which namespace the owner of a cluster-scoped object is (Kubernetes leaves it alone, too).
    if (kind.namespaced && namespace === undefined) return 'present';
    const cached = this.#informers.get(resourceOf(kind))?.get(namespace, reference.name);
    if (cached?.metadata?.uid === reference.uid) return stateOf(cached);
    try {
      const at = { ...(namespace === undefined ? {} : { namespace }), name: reference.name };
      const owner = await this.#registry.get(kind, at);
      return owner.metadata?.uid === reference.uid ? stateOf(owner) : 'gone';
    } catch (error) {
      if (isStatus(error, 'NotFound')) return 'gone';
      throw error;
    }
  }
}

export function isDeletingDependents({ metadata }: Readonly<KubernetesObject>): boolean {
  return (
    metadata?.deletionTimestamp !== undefined && (metadata.finalizers ?? []).includes(foregroundFinalizer)
  );
}

export function isOrphaningDependents({ metadata }: Readonly<KubernetesObject>): boolean {
  return metadata?.deletionTimestamp !== undefined && (metadata.finalizers ?? []).includes(orphanFinalizer);
}

/** Whether the dependent and the owner can belong together: names of owners are looked up in one's own namespace. */
export function isWithin(owner: Found, dependent: Readonly<KubernetesObject>): boolean {
  return !owner.kind.namespaced || storedMeta(owner.object).namespace === dependent.metadata?.namespace;
}

function stateOf(owner: Readonly<KubernetesObject>): OwnerState {
  return isDeletingDependents(owner) ? 'waiting' : 'present';
}

function resourceOf({ group, plural }: KindDefinition): string {
  return `${group}/${plural}`;
}

/** Without the version: an owner is the same one under each of them. */
function placeOf(kind: KindDefinition): string {
  return `${kind.group}/${kind.kind}`;
}

function groupOf(apiVersion: string): string {
  return apiVersion.slice(0, Math.max(apiVersion.indexOf('/'), 0));
}
