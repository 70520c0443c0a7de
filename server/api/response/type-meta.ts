import {
  apiVersionOf,
  type KindDefinition,
  type KubernetesObject,
} from '../../../protocol/kinds/define-kind.ts';

/** The object with its kind and apiVersion in front, whether or not it carries them. */
export function withTypeMeta<T extends KubernetesObject>(kind: KindDefinition, object: T): T {
  return { kind: kind.kind, apiVersion: apiVersionOf(kind), ...object };
}
