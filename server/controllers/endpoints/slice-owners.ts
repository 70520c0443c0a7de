import type { EndpointSlice } from '../../../protocol/generated/models.ts';
import type { Informer } from '../../cache/informer.ts';
import type { ControllerContext } from '../define-controller.ts';
import { managedByLabel, serviceNameLabel } from './service-slices.ts';

export const bySliceOwner = 'slice-owner';

/** Queues the service (`namespace/name`) of each slice of `manager` that anybody changes or removes. */
export function followSlices(
  { follow }: Pick<ControllerContext, 'follow'>,
  slices: Informer<EndpointSlice>,
  { manager, enqueue }: { manager: string; enqueue: (key: string) => void },
): void {
  if (!slices.hasIndex(bySliceOwner)) {
    slices.addIndex(bySliceOwner, (slice) => {
      const key = serviceKeyOf(slice);
      return key === undefined ? [] : [`${slice.metadata?.labels?.[managedByLabel] ?? ''} ${key}`];
    });
  }
  follow(slices, (change) => {
    const known = change.type === 'updated' ? [change.old, change.object] : [change.object];
    for (const slice of known) {
      const key = serviceKeyOf(slice);
      if (key !== undefined && slice.metadata?.labels?.[managedByLabel] === manager) enqueue(key);
    }
  });
}

function serviceKeyOf({ metadata }: Readonly<EndpointSlice>): string | undefined {
  const name = metadata?.labels?.[serviceNameLabel];
  return name === undefined ? undefined : `${metadata?.namespace ?? ''}/${name}`;
}
