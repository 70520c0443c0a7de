import type { KindDefinition, KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import type { Guard } from '../store/store.ts';
import type { RegistryContext } from './context.ts';
import { forbidden, notFound } from './failures.ts';
import { keyOf } from './keys.ts';

/**
 * Namespaces hold other objects, so their end has two steps: a delete marks them Terminating and they stay for as long
 * as spec.finalizers names anybody; the namespace controller empties them and takes its name out through the
 * subresource `finalize`.
 */
interface NamespaceShape extends KubernetesObject {
  spec?: { finalizers?: string[] };
  status?: { phase?: string };
}

/** Namespaces the server itself needs (source: apiserver's NamespaceLifecycle). */
const undeletable: readonly string[] = ['default', 'kube-system', 'kube-public'];

export function isNamespaceKind(kind: Pick<KindDefinition, 'group' | 'plural'>): boolean {
  return kind.group === '' && kind.plural === 'namespaces';
}

/**
 * The guard under which an object may be created in `namespace`: the namespace as it stood when it was found to
 * take new content. So nothing slips into one that is deleted in the same moment.
 */
export async function namespaceGuard<T extends KubernetesObject>(
  { store, decoded, kindOf }: RegistryContext,
  kind: KindDefinition<T>,
  object: T,
): Promise<Guard | undefined> {
  const name = object.metadata?.namespace;
  const namespaces = kindOf('', 'namespaces');
  if (!namespaces || !kind.namespaced || name === undefined) return undefined;
  const entry = await store.get(keyOf(namespaces, { name }));
  if (!entry) throw notFound(namespaces, name);
  if (decoded.decode(namespaces, entry).metadata?.deletionTimestamp !== undefined) {
    const why = `unable to create new content in namespace ${name} because it is being terminated`;
    throw forbidden(kind, object.metadata?.name ?? '', why, [
      {
        reason: 'NamespaceTerminating',
        message: `namespace ${name} is being terminated`,
        field: 'metadata.namespace',
      },
    ]);
  }
  return { key: entry.key, revision: entry.revision };
}

export function refuseUndeletable(
  kind: Pick<KindDefinition, 'group' | 'kind' | 'plural'>,
  name: string,
): void {
  if (isNamespaceKind(kind) && undeletable.includes(name)) {
    throw forbidden(kind, name, 'this namespace may not be deleted');
  }
}

/** Whether finalizers outside metadata still hold the object. */
export function heldBySpec(
  kind: Pick<KindDefinition, 'group' | 'plural'>,
  object: KubernetesObject,
): boolean {
  return isNamespaceKind(kind) && ((object as NamespaceShape).spec?.finalizers ?? []).length > 0;
}

/** Marks a namespace that is being deleted, in place. */
export function markTerminating(
  kind: Pick<KindDefinition, 'group' | 'plural'>,
  object: KubernetesObject,
): void {
  if (!isNamespaceKind(kind)) return;
  const namespace = object as NamespaceShape;
  namespace.status = { ...namespace.status, phase: 'Terminating' };
}
