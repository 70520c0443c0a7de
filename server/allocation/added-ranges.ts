import type { ServiceCIDR } from '../../protocol/generated/models.ts';
import { storedMeta } from '../../protocol/kinds/stored-object.ts';
import { type AddressRange, isInRange, parseAddressRange } from './address-range.ts';

/** The ServiceCIDR that shows what the server was started with. */
export const configuredRangeName = 'kubernetes';

/** The ranges that clients added, as far as services may get addresses from them now. */
export interface AddedRanges {
  list: () => readonly AddressRange[];
  /** A ServiceCIDR as it is now. */
  put: (range: Readonly<ServiceCIDR>) => void;
  remove: (range: Readonly<ServiceCIDR>) => void;
}

export function createAddedRanges(): AddedRanges {
  const byName = new Map<string, readonly AddressRange[]>();
  let all: readonly AddressRange[] = [];
  const set = (range: Readonly<ServiceCIDR>, ranges: readonly AddressRange[]) => {
    const { name } = storedMeta(range);
    if (ranges.length === 0) byName.delete(name);
    else byName.set(name, ranges);
    all = [...byName.values()].flat();
  };
  return {
    list: () => all,
    put: (range) => set(range, isOpen(range) ? rangesOf(range.spec?.cidrs) : []),
    remove: (range) => set(range, []),
  };
}

function isOpen({ metadata, status }: Readonly<ServiceCIDR>): boolean {
  return (
    metadata?.name !== configuredRangeName &&
    metadata?.deletionTimestamp === undefined &&
    status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') === true
  );
}

/** The networks that have room for services. */
function rangesOf(cidrs: readonly string[] = []): AddressRange[] {
  return cidrs.flatMap((cidr) => parseAddressRange(cidr) ?? []);
}

/** Whether services can get addresses of the network at all. */
export function hasRoom(cidr: string): boolean {
  return parseAddressRange(cidr) !== undefined;
}

/** Whether a service with this address has it of one of the networks. */
export function isOfNetwork(cidrs: readonly string[], address: string): boolean {
  return rangesOf(cidrs).some((range) => isInRange(range, address));
}
