import type { ControllerRevision, LabelSelector, PodTemplateSpec } from '../../protocol/generated/models.ts';
import { sameValue } from '../../protocol/kinds/cause.ts';
import { controllerRevisionKind } from '../../protocol/kinds/controller-revision.ts';
import type { KindDefinition, KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import { controllerOf, controllerReference, storedMeta } from '../../protocol/kinds/stored-object.ts';
import { isStatus } from '../../protocol/status.ts';
import type { Informer } from '../cache/informer.ts';
import { adoptAndRelease } from './adoption.ts';
import type { ControllerContext } from './define-controller.ts';
import { ignoreGone } from './expected-failures.ts';
import { byControllerUid, orphansByNamespace } from './indexes.ts';
import { nameOf } from './object-name.ts';
import { templateHash } from './template-hash.ts';
import { WriteFence } from './write-fence.ts';

/** On pods: which revision of their owner they are of. */
export const revisionHashLabel = 'controller-revision-hash';

/** An object whose past templates are kept as ControllerRevisions, as `kubectl rollout history` reads them. */
export interface Revisioned extends KubernetesObject {
  spec?: { selector: LabelSelector; template: PodTemplateSpec; revisionHistoryLimit?: number };
  status?: { collisionCount?: number };
}

export interface Revisions {
  /** That of the template as it is now. */
  readonly newest: Readonly<ControllerRevision>;
  /** All others, the oldest first. */
  readonly old: readonly Readonly<ControllerRevision>[];
}

/**
 * Keeps the history of the owners of one kind: one ControllerRevision for each different template, numbered by when it
 * was last the newest; going back to one of them gives it the next number.
 */
export class RevisionHistory<O extends Revisioned> {
  readonly #context: ControllerContext;
  readonly #kind: KindDefinition<O>;
  readonly #hashLabel: string;
  readonly #revisions: Informer<ControllerRevision>;
  readonly #fence: WriteFence<ControllerRevision>;

  /** `hashLabel`: which label of a revision bears its hash. */
  constructor(
    context: ControllerContext,
    { kind, hashLabel }: { kind: KindDefinition<O>; hashLabel: string },
  ) {
    this.#context = context;
    this.#kind = kind;
    this.#hashLabel = hashLabel;
    this.#revisions = context.cache.informer(controllerRevisionKind);
    this.#fence = new WriteFence(this.#revisions);
  }

  get informer(): Informer<ControllerRevision> {
    return this.#revisions;
  }

  isSettled(key: string): boolean {
    return this.#fence.isOpen(key);
  }

  forget(key: string): void {
    this.#fence.forget(key);
  }

  /**
   * Makes the history show the owner's template. 'collided': the revision's name is taken by something else, and the
   * owner's collisionCount must grow by one.
   */
  async sync(key: string, owner: Readonly<O>): Promise<Revisions | 'collided'> {
    const owned = await this.#adopt(key, owner);
    const ordered = owned.toSorted(byRevision);
    const data = revisionData(owner);
    const last = ordered.at(-1)?.revision ?? 0;
    const match = ordered.findLast((revision) => sameValue(revision.data, data));
    const old = ordered.filter((revision) => revision !== match);
    if (!match) {
      const made = await this.#create(key, this.#build(owner, last + 1));
      return made === 'collided' ? made : { newest: made, old };
    }
    if (match.revision === last) return { newest: match, old };
    return { newest: await this.#renumber(key, match, last + 1), old };
  }

  /** Deletes the oldest of those that no pod is of (`live`, by name), beyond revisionHistoryLimit. */
  async truncate(
    key: string,
    owner: Readonly<O>,
    revisions: Revisions,
    live: ReadonlySet<string>,
  ): Promise<void> {
    const limit = owner.spec?.revisionHistoryLimit ?? 10;
    const unused = revisions.old.filter((revision) => !live.has(storedMeta(revision).name));
    for (const revision of unused.slice(0, Math.max(0, unused.length - limit))) {
      const { uid } = storedMeta(revision);
      await this.#context.registry
        .delete(controllerRevisionKind, nameOf(revision), { preconditions: { uid } })
        .catch(ignoreGone);
      this.#fence.deleted(key, uid);
    }
  }

  #adopt(key: string, owner: Readonly<O>): Promise<readonly Readonly<ControllerRevision>[]> {
    const { uid, namespace = '' } = storedMeta(owner);
    return adoptAndRelease(this.#context, {
      kind: this.#kind,
      owner,
      selector: owner.spec?.selector ?? {},
      targetKind: controllerRevisionKind,
      controlled: this.#revisions.byIndex(byControllerUid.name, uid),
      orphans: this.#revisions.byIndex(orphansByNamespace.name, namespace),
      wrote: (revision) => this.#fence.wrote(key, revision),
    });
  }

  #build(owner: Readonly<O>, revision: number): ControllerRevision {
    const { name, namespace = '' } = storedMeta(owner);
    const template = owner.spec?.template ?? {};
    const hash = templateHash(template, owner.status?.collisionCount ?? 0);
    return {
      metadata: {
        namespace,
        name: `${name}-${hash}`,
        labels: { ...template.metadata?.labels, [this.#hashLabel]: hash },
        ...(owner.metadata?.annotations ? { annotations: { ...owner.metadata.annotations } } : {}),
        ownerReferences: [controllerReference(this.#kind, owner)],
      },
      data: revisionData(owner),
      revision,
    };
  }

  async #create(key: string, wanted: ControllerRevision): Promise<ControllerRevision | 'collided'> {
    const { registry } = this.#context;
    try {
      const made = await registry.create(controllerRevisionKind, wanted);
      this.#fence.wrote(key, made);
      return made;
    } catch (error) {
      if (!isStatus(error, 'AlreadyExists')) throw error;
      const { namespace = '', name = '' } = wanted.metadata ?? {};
      const found = await registry.get(controllerRevisionKind, { namespace, name });
      const own = controllerOf(found)?.uid === controllerOf(wanted)?.uid;
      return own && sameValue(found.data, wanted.data) ? found : 'collided';
    }
  }

  async #renumber(
    key: string,
    revision: Readonly<ControllerRevision>,
    number: number,
  ): Promise<ControllerRevision> {
    const written = await this.#context.registry.mutate(controllerRevisionKind, nameOf(revision), (draft) => {
      draft.revision = Math.max(number, draft.revision);
    });
    this.#fence.wrote(key, written);
    return written;
  }
}

/** What a strategic merge patch makes the owner's template again: `kubectl rollout undo` sends it as it is. */
function revisionData(owner: Readonly<Revisioned>): Record<string, unknown> {
  return { spec: { template: { ...structuredClone(owner.spec?.template), $patch: 'replace' } } };
}

/** The template that a revision keeps. */
export function revisionTemplate(revision: Readonly<ControllerRevision>): PodTemplateSpec {
  const { spec } = (revision.data ?? {}) as { spec?: { template?: PodTemplateSpec & { $patch?: string } } };
  const { $patch: _directive, ...template } = structuredClone(spec?.template) ?? {};
  return template;
}

function byRevision(a: Readonly<ControllerRevision>, b: Readonly<ControllerRevision>): number {
  return (
    a.revision - b.revision ||
    Date.parse(storedMeta(a).creationTimestamp) - Date.parse(storedMeta(b).creationTimestamp) ||
    (storedMeta(a).name < storedMeta(b).name ? -1 : 1)
  );
}
