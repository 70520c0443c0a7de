import {
  apiVersionOf,
  type KindDefinition,
  type KubernetesObject,
  type ObjectMeta,
  type OwnerReference,
} from './define-kind.ts';

/** Metadata as every object that came out of the registry has it. */
export interface StoredMeta extends ObjectMeta {
  name: string;
  uid: string;
  resourceVersion: string;
  creationTimestamp: string;
}

/** Throws a TypeError for an object that was never stored: a programmer error. */
export function storedMeta(object: Readonly<KubernetesObject>): StoredMeta {
  const meta = object.metadata;
  if (meta?.name === undefined || meta.uid === undefined) throw new TypeError('the object was never stored');
  return meta as StoredMeta;
}

/** `namespace/name`, or `name` for cluster-scoped objects: the key of work queues. */
export function objectKey(object: Readonly<KubernetesObject>): string {
  const { namespace, name } = storedMeta(object);
  return namespace === undefined ? name : `${namespace}/${name}`;
}

export function splitKey(key: string): { namespace?: string; name: string } {
  const slash = key.indexOf('/');
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

export function controllerOf(object: Readonly<KubernetesObject>): OwnerReference | undefined {
  return object.metadata?.ownerReferences?.find((owner) => owner.controller === true);
}

export function controllerReference<T extends KubernetesObject>(
  kind: KindDefinition<T>,
  owner: Readonly<KubernetesObject>,
): OwnerReference {
  const { name, uid } = storedMeta(owner);
  return {
    apiVersion: apiVersionOf(kind),
    kind: kind.kind,
    name,
    uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** RFC 3339 in whole seconds, as Kubernetes writes times. */
export function timestamp(nowMs: number): string {
  return `${new Date(nowMs).toISOString().slice(0, 19)}Z`;
}
