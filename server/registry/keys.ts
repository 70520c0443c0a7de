import type { KindDefinition } from '../../protocol/kinds/define-kind.ts';
import type { ObjectName } from './registry.ts';

/**
 * The key layout: `/<group or core>/<plural>/<namespace>/<name>`, without the namespace for cluster-scoped kinds.
 * Every prefix ends in `/` and names hold none, so that a prefix sees one kind (and one namespace) only. The version
 * is not part of the key: an object is the same one under every version of its kind.
 */
type Placed = Pick<KindDefinition, 'group' | 'plural' | 'namespaced' | 'view'>;

export function prefixOf(kind: Placed, namespace?: string): string {
  const stored = kind.view?.of ?? kind;
  const ofKind = `/${stored.group || 'core'}/${stored.plural}/`;
  return kind.namespaced && namespace ? `${ofKind}${namespace}/` : ofKind;
}

export function keyOf(kind: Placed, at: ObjectName): string {
  return kind.namespaced
    ? `${prefixOf(kind)}${at.namespace ?? ''}/${at.name}`
    : `${prefixOf(kind)}${at.name}`;
}
