import { type Cidr, parseCidr, parseIp } from '../ip-address.ts';
import type { StatusCause } from '../status.ts';
import { invalid } from './cause.ts';

/** What addresses and ranges must look like (source: k8s.io/apimachinery/pkg/util/validation, IsValidIP, IsValidCIDR). */

export const ipFault = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';
export const cidrFault = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';

export function validateIp(field: string, address = ''): StatusCause[] {
  return parseIp(address) ? [] : [invalid(field, address, ipFault)];
}

export function validateCidr(field: string, range: string): StatusCause[] {
  return parseCidr(range) ? [] : [invalid(field, range, cidrFault)];
}

const special: readonly {
  ranges: readonly string[];
  fault: (address: string) => string;
  local?: true;
}[] = [
  { ranges: ['0.0.0.0/32', '::/128'], fault: (address) => `may not be unspecified (${address})` },
  {
    local: true,
    ranges: ['127.0.0.0/8', '::1/128'],
    fault: () => 'may not be in the loopback range (127.0.0.0/8, ::1/128)',
  },
  {
    local: true,
    ranges: ['169.254.0.0/16', 'fe80::/10'],
    fault: () => 'may not be in the link-local range (169.254.0.0/16, fe80::/10)',
  },
  {
    ranges: ['224.0.0.0/24', 'ff02::/16'],
    fault: () => 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)',
  },
];

/** That an address is one that others can reach (source: Kubernetes, ValidateNonSpecialIP). */
export function validateReachableIp(field: string, address = ''): StatusCause[] {
  return validateIpAgainst(special, field, address);
}

/**
 * As the one above, but for an address that leads to a device or to this server: these may have none but that of the
 * machine itself, or of its link.
 */
export function validateEndpointIp(field: string, address = ''): StatusCause[] {
  return validateIpAgainst(
    special.filter(({ local }) => !local),
    field,
    address,
  );
}

function validateIpAgainst(refused: typeof special, field: string, address: string): StatusCause[] {
  const ip = parseIp(address);
  if (!ip) return [invalid(field, address, 'must be a valid IP address')];
  return refused
    .filter(({ ranges }) => ranges.some((range) => holds(parseCidr(range), ip)))
    .map(({ fault }) => invalid(field, address, fault(address)));
}

function holds(range: Cidr | undefined, { family, value }: { family: 4 | 6; value: bigint }): boolean {
  if (range?.family !== family) return false;
  const hostBits = BigInt((family === 4 ? 32 : 128) - range.prefixLength);
  return value >> hostBits === range.base >> hostBits;
}
