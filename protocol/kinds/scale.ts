import type { Scale } from '../generated/models.ts';
import type { KubernetesObject, ScaleAccess } from './define-kind.ts';

export const scaleType = {
  group: 'autoscaling',
  version: 'v1',
  apiVersion: 'autoscaling/v1',
  kind: 'Scale',
  schema: 'io.k8s.api.autoscaling.v1.Scale',
};

/** How an object is scaled, in the form that is the same for all kinds. */
export function scaleOf<T extends KubernetesObject>(access: ScaleAccess<T>, object: T): Scale {
  const { name = '', namespace, uid, resourceVersion, creationTimestamp } = object.metadata ?? {};
  return {
    kind: scaleType.kind,
    apiVersion: scaleType.apiVersion,
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
    },
    spec: { replicas: access.replicas(object) },
    status: { replicas: access.statusReplicas(object), selector: access.selector(object) },
  };
}
