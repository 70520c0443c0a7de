import type { EndpointSlice } from '../../../protocol/generated/models.ts';
import type { OwnerReference } from '../../../protocol/kinds/define-kind.ts';
import { endpointSliceKind } from '../../../protocol/kinds/endpoint-slice.ts';
import { storedMeta } from '../../../protocol/kinds/stored-object.ts';
import type { Registry } from '../../registry/registry.ts';
import { ignoreGone, isNamespaceEnding } from '../expected-failures.ts';
import { nameOf } from '../object-name.ts';
import type { WriteFence } from '../write-fence.ts';
import type { SliceMeta, SlicePlan } from './plan-slices.ts';

export interface SliceOwner {
  /** The key that is reconciled. */
  key: string;
  namespace: string;
  /** Slices are called so, and a suffix. */
  name: string;
  meta: SliceMeta;
  reference: OwnerReference;
}

/** Carries a plan out. What it writes is noted in `fence`. */
export async function writeSlices(
  registry: Registry,
  fence: WriteFence<EndpointSlice>,
  plan: SlicePlan,
  owner: SliceOwner,
): Promise<void> {
  const { key, namespace, name, meta, reference } = owner;
  for (const { slice, ports, endpoints } of plan.update) {
    const { uid } = storedMeta(slice);
    const written = await registry
      .mutate(endpointSliceKind, nameOf(slice), (draft) => {
        if (draft.metadata?.uid !== uid) return;
        draft.ports = ports;
        draft.endpoints = endpoints;
        draft.metadata.labels = meta.labels;
        if (meta.annotations)
          draft.metadata.annotations = { ...draft.metadata.annotations, ...meta.annotations };
      })
      .catch(ignoreGone);
    if (written) fence.wrote(key, written);
  }
  for (const { addressType, ports, endpoints } of plan.create) {
    const metadata = { ...meta, namespace, generateName: `${name}-`, ownerReferences: [reference] };
    const written = await registry
      .create(endpointSliceKind, { metadata, addressType, ports, endpoints })
      .catch(ignoreEnding);
    if (written) fence.wrote(key, written);
  }
  for (const slice of plan.remove) {
    const { uid } = storedMeta(slice);
    fence.deleted(key, uid);
    await registry.delete(endpointSliceKind, nameOf(slice), { preconditions: { uid } }).catch(ignoreGone);
  }
}

export function ignoreEnding(error: unknown): undefined {
  if (!isNamespaceEnding(error)) throw error;
}
