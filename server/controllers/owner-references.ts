import type { KubernetesObject, OwnerReference } from '../../protocol/kinds/define-kind.ts';
import { storedMeta } from '../../protocol/kinds/stored-object.ts';

/** Replaces the owner references of a draft, in place; none are left out rather than empty. */
export function setReferences(draft: KubernetesObject, references: OwnerReference[]): void {
  const meta = storedMeta(draft);
  if (references.length > 0) meta.ownerReferences = references;
  else delete meta.ownerReferences;
}
