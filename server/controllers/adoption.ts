import type { LabelSelector } from '../../protocol/generated/models.ts';
import type { KindDefinition, KubernetesObject, OwnerReference } from '../../protocol/kinds/define-kind.ts';
import { controllerOf, controllerReference, storedMeta } from '../../protocol/kinds/stored-object.ts';
import { compileLabelSelector } from '../../protocol/selectors.ts';
import { isStatus } from '../../protocol/status.ts';
import type { ControllerContext } from './define-controller.ts';
import { ignoreGone } from './expected-failures.ts';
import { nameOf } from './object-name.ts';
import { setReferences } from './owner-references.ts';

export interface AdoptionRequest<O extends KubernetesObject, T extends KubernetesObject> {
  kind: KindDefinition<O>;
  owner: Readonly<O>;
  selector: LabelSelector;
  targetKind: KindDefinition<T>;
  /** What the owner controls now. */
  controlled: readonly Readonly<T>[];
  /** What nobody controls, in the owner's namespace. */
  orphans: readonly Readonly<T>[];
  /** Told of each object that was changed. */
  wrote: (object: Readonly<T>) => void;
}

/**
 * Lets go of controlled objects whose labels no longer match and takes orphans that do (Kubernetes'
 * ControllerRefManager). Returns what the owner controls afterwards. An owner that is being deleted adopts nothing,
 * and that is asked of the registry: a cache that lags would make dependents of an owner that is gone, for the
 * garbage collector to delete.
 */
export async function adoptAndRelease<O extends KubernetesObject, T extends KubernetesObject>(
  context: ControllerContext,
  request: AdoptionRequest<O, T>,
): Promise<readonly Readonly<T>[]> {
  const matches = compileLabelSelector(request.selector);
  const isWanted = ({ metadata }: Readonly<T>) =>
    metadata?.deletionTimestamp === undefined && matches(metadata?.labels);
  const [kept, strange] = partition(request.controlled, ({ metadata }) => matches(metadata?.labels));
  const released = strange.filter(({ metadata }) => metadata?.deletionTimestamp === undefined);
  await Promise.all(released.map((object) => release(context, request, object)));
  const wanted = request.orphans.filter(isWanted);
  if (wanted.length === 0 || !(await mayAdopt(context, request))) return kept;
  const adopted = await Promise.all(wanted.map((object) => adopt(context, request, object, isWanted)));
  return [...kept, ...adopted.filter((object) => object !== undefined)];
}

function partition<T>(all: readonly T[], test: (one: T) => boolean): [T[], T[]] {
  const [yes, no]: [T[], T[]] = [[], []];
  for (const one of all) (test(one) ? yes : no).push(one);
  return [yes, no];
}

async function mayAdopt<O extends KubernetesObject, T extends KubernetesObject>(
  { registry }: ControllerContext,
  { kind, owner }: AdoptionRequest<O, T>,
): Promise<boolean> {
  if (owner.metadata?.deletionTimestamp !== undefined) return false;
  try {
    const { metadata } = await registry.get(kind, nameOf(owner));
    return metadata?.uid === owner.metadata?.uid && metadata?.deletionTimestamp === undefined;
  } catch (error) {
    if (isStatus(error, 'NotFound')) return false;
    throw error;
  }
}

async function release<O extends KubernetesObject, T extends KubernetesObject>(
  { registry }: ControllerContext,
  { owner, targetKind, wrote }: AdoptionRequest<O, T>,
  object: Readonly<T>,
): Promise<void> {
  const written = await registry
    .mutate(targetKind, nameOf(object), (draft) => setReferences(draft, withoutOwner(draft, owner)))
    .catch(ignoreGone);
  if (written) wrote(written);
}

/** Undefined when the object went away, changed its labels or was faster taken by another controller. */
async function adopt<O extends KubernetesObject, T extends KubernetesObject>(
  { registry }: ControllerContext,
  { kind, owner, targetKind, wrote }: AdoptionRequest<O, T>,
  object: Readonly<T>,
  isWanted: (object: Readonly<T>) => boolean,
): Promise<T | undefined> {
  const { uid } = storedMeta(object);
  const written = await registry
    .mutate(targetKind, nameOf(object), (draft) => {
      if (draft.metadata?.uid !== uid || controllerOf(draft) || !isWanted(draft)) return;
      setReferences(draft, [...withoutOwner(draft, owner), controllerReference(kind, owner)]);
    })
    .catch(ignoreGone);
  if (!written) return undefined;
  wrote(written);
  // Also when an earlier round adopted it and the cache does not show that yet.
  return controllerOf(written)?.uid === owner.metadata?.uid ? written : undefined;
}

function withoutOwner(
  object: Readonly<KubernetesObject>,
  owner: Readonly<KubernetesObject>,
): OwnerReference[] {
  return (object.metadata?.ownerReferences ?? []).filter(({ uid }) => uid !== owner.metadata?.uid);
}
