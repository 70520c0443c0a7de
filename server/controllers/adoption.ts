import type { LabelSelector } from '../../protocol/generated/models.ts';
import type { KindDefinition, KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import { controllerReference, storedMeta } from '../../protocol/kinds/stored-object.ts';
import { compileLabelSelector } from '../../protocol/selectors.ts';
import { isStatus } from '../../protocol/status.ts';
import type { ControllerContext } from './define-controller.ts';

export interface AdoptionRequest<O extends KubernetesObject, T extends KubernetesObject> {
  kind: KindDefinition<O>;
  owner: Readonly<O>;
  selector: LabelSelector;
  targetKind: KindDefinition<T>;
  /** What the owner controls now. */
  controlled: readonly Readonly<T>[];
  /** What nobody controls, in the owner's namespace. */
  orphans: readonly Readonly<T>[];
}

/**
 * Lets go of controlled objects whose labels no longer match and takes orphans that do (Kubernetes' ControllerRefManager).
 * Returns what the owner controls afterwards. An owner that is being deleted adopts nothing.
 */
export async function adoptAndRelease<O extends KubernetesObject, T extends KubernetesObject>(
  context: ControllerContext,
  request: AdoptionRequest<O, T>,
): Promise<readonly Readonly<T>[]> {
  const matches = compileLabelSelector(request.selector);
  const kept = request.controlled.filter((object) => matches(object.metadata?.labels));
  const released = request.controlled.filter((object) => !matches(object.metadata?.labels));
  for (const object of released) {
    if (object.metadata?.deletionTimestamp === undefined)
      await setController(context, request, object, 'release');
  }
  if (request.owner.metadata?.deletionTimestamp !== undefined) return kept;
  const wanted = request.orphans.filter(
    (object) => object.metadata?.deletionTimestamp === undefined && matches(object.metadata?.labels),
  );
  const adopted = await Promise.all(wanted.map((object) => setController(context, request, object, 'adopt')));
  return [...kept, ...adopted.filter((object) => object !== undefined)];
}

/** Undefined when the object went away or another controller was faster. */
async function setController<O extends KubernetesObject, T extends KubernetesObject>(
  { registry }: ControllerContext,
  { kind, owner, targetKind }: AdoptionRequest<O, T>,
  object: Readonly<T>,
  action: 'adopt' | 'release',
): Promise<T | undefined> {
  const { namespace, name, uid } = storedMeta(object);
  const ownerUid = storedMeta(owner).uid;
  let lost = false;
  try {
    const written = await registry.mutate(
      targetKind,
      { ...(namespace === undefined ? {} : { namespace }), name },
      (draft) => {
        const meta = storedMeta(draft);
        const references = meta.ownerReferences ?? [];
        lost =
          meta.uid !== uid ||
          (action === 'adopt' && references.some((reference) => reference.controller === true));
        if (lost) return;
        const others = references.filter((reference) => reference.uid !== ownerUid);
        meta.ownerReferences = action === 'adopt' ? [...others, controllerReference(kind, owner)] : others;
      },
    );
    return lost ? undefined : written;
  } catch (error) {
    if (isStatus(error, 'NotFound')) return undefined;
    throw error;
  }
}
