import type { ServiceCIDR } from '../../protocol/generated/models.ts';
import { serviceCidrKind } from '../../protocol/kinds/service-cidr.ts';
import { storedMeta } from '../../protocol/kinds/stored-object.ts';
import type { Cache } from '../cache/informer.ts';
import { type AddressRange, parseAddressRange } from './address-range.ts';

/** The ServiceCIDR that shows what the server was started with. */
export const configuredRangeName = 'kubernetes';

/** The ranges that clients added, as far as services may get addresses from them now. */
export interface AddedRanges {
  list(): readonly AddressRange[];
  /** From here on; until then nothing was added. */
  follow(cache: Cache): void;
}

export function createAddedRanges(): AddedRanges {
  const byName = new Map<string, readonly AddressRange[]>();
  let all: readonly AddressRange[] = [];
  return {
    list: () => all,
    follow(cache) {
      cache.informer(serviceCidrKind).onChange(({ type, object }) => {
        const { name } = storedMeta(object);
        if (type === 'deleted' || !isOpen(object)) byName.delete(name);
        else byName.set(name, rangesOf(object));
        all = [...byName.values()].flat();
      });
    },
  };
}

function isOpen({ metadata, status }: Readonly<ServiceCIDR>): boolean {
  return (
    metadata?.name !== configuredRangeName &&
    metadata?.deletionTimestamp === undefined &&
    status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') === true
  );
}

/** Those of its networks that have room for services. */
export function rangesOf({ spec }: Readonly<ServiceCIDR>): AddressRange[] {
  return (spec?.cidrs ?? []).flatMap((cidr) => parseAddressRange(cidr) ?? []);
}
