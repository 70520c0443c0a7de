import { type AddressRange, parseAddressRange } from './address-range.ts';
import type { PortRange } from './service-allocator.ts';

/** One network, or one of each family parted by a comma. Throws an Error that says what would do. */
export function readAddressRanges(text: string): AddressRange[] {
  const ranges = text.split(',').map((part) => {
    const range = parseAddressRange(part);
    if (!range) throw new Error(`${part.trim()} is no network like 10.96.0.0/12 with room for services`);
    return range;
  });
  const families = new Set(ranges.map(({ family }) => family));
  if (ranges.length > 2 || families.size < ranges.length) {
    throw new Error(`${text} must be one network, or one of IPv4 and one of IPv6`);
  }
  return ranges;
}

/** `first-last`, both within. Throws an Error. */
export function readPortRange(text: string): PortRange {
  const [, first = '', last = ''] = /^(\d{1,5})-(\d{1,5})$/.exec(text.trim()) ?? [];
  const range = { first: Number(first), last: Number(last) };
  if (first === '' || range.first < 1 || range.last > 65_535 || range.first > range.last) {
    throw new Error(`${text} must be of the form 30000-32767`);
  }
  return range;
}
