import type { KubernetesObject } from '../../../protocol/kinds/define-kind.ts';

/** An object without spec, status and data, for clients that only look at metadata. */
export function partialMetadata(object: KubernetesObject, apiVersion: string) {
  return { kind: 'PartialObjectMetadata', apiVersion, metadata: object.metadata ?? {} };
}
