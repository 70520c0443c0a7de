import type { LabelSelector } from '../../protocol/generated/models.ts';
import { sameValue } from '../../protocol/kinds/cause.ts';
import type { KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import { controllerOf, objectKey } from '../../protocol/kinds/stored-object.ts';
import { compileLabelSelector } from '../../protocol/selectors.ts';
import type { CacheChange, Informer } from '../cache/informer.ts';
import type { ControllerContext } from './define-controller.ts';
import { addOnce, byControllerUid, byNamespace, orphansByNamespace } from './indexes.ts';

export interface Following<O extends KubernetesObject, T extends KubernetesObject> {
  owners: Informer<O>;
  controlled: Informer<T>;
  selectorOf: (owner: Readonly<O>) => LabelSelector | undefined;
  enqueue: (key: string) => void;
  /** Whether a change of an owner is none for its controller. */
  isEcho?: (owner: Readonly<O>) => boolean;
}

/**
 * Queues an owner when it changes, when what it controls changes, comes or leaves it, and when something that nobody
 * controls begins to match its selector. Adds the indexes `byControllerUid` and `orphansByNamespace` to the controlled.
 */
export function followControlled<O extends KubernetesObject, T extends KubernetesObject>(
  { follow }: Pick<ControllerContext, 'follow'>,
  { owners, controlled, selectorOf, enqueue, isEcho = () => false }: Following<O, T>,
): void {
  addOnce(owners, byNamespace);
  addOnce(controlled, byControllerUid);
  addOnce(controlled, orphansByNamespace);
  follow(owners, ({ object, type }) => {
    if (type === 'deleted' || !isEcho(object)) enqueue(objectKey(object));
  });
  follow(controlled, (change) => {
    const { object } = change;
    enqueueOwner(object);
    if (change.type === 'updated' && controllerOf(change.old)?.uid !== controllerOf(object)?.uid) {
      enqueueOwner(change.old);
    }
    if (!mayBeAdopted(change)) return;
    for (const owner of owners.byIndex(byNamespace.name, object.metadata?.namespace ?? '')) {
      if (compileLabelSelector(selectorOf(owner))(object.metadata?.labels)) enqueue(objectKey(owner));
    }
  });

  function enqueueOwner(object: Readonly<T>): void {
    const reference = controllerOf(object);
    const owner = reference && owners.getByUid(reference.uid);
    if (owner) enqueue(objectKey(owner));
  }
}

/** Only a change that makes the object an orphan, or of other labels, is worth the look at every selector. */
function mayBeAdopted<T extends KubernetesObject>(change: CacheChange<T>): boolean {
  const { metadata } = change.object;
  if (change.type === 'deleted' || metadata?.deletionTimestamp !== undefined) return false;
  if (!metadata?.labels || controllerOf(change.object)) return false;
  if (change.type === 'added') return true;
  return controllerOf(change.old) !== undefined || !sameValue(change.old.metadata?.labels, metadata.labels);
}
