import type { KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import { storedMeta } from '../../protocol/kinds/stored-object.ts';
import type { ObjectName } from '../registry/registry.ts';

/** Where the registry finds an object that came out of it. */
export function nameOf(object: Readonly<KubernetesObject>): ObjectName {
  const { namespace, name } = storedMeta(object);
  return namespace === undefined ? { name } : { namespace, name };
}
