import type { Random } from '../../lib/random.ts';
import { type Cidr, contains, ipText, parseCidr, parseIp } from '../../protocol/ip-address.ts';

/** A run of things of which some are kept for who asks for one by name, and the others given out first. */
export interface Range {
  first: bigint;
  /** How many; those given out lie in it. */
  size: bigint;
  /** As many from the start are given out only when the others are all taken. */
  keptForChoice: bigint;
}

/** How many are tried at random before the range is searched from end to end. */
const randomTriesMax = 8;

/** One that is not taken; undefined when all are. */
export async function pickFree(
  { first, size, keptForChoice }: Range,
  random: Random,
  isTaken: (value: bigint) => Promise<boolean>,
): Promise<bigint | undefined> {
  const bands = [
    { first: first + keptForChoice, size: size - keptForChoice },
    { first, size: keptForChoice },
  ];
  for (const band of bands) {
    const found = await pickInBand(band, random, isTaken);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function pickInBand(
  band: { first: bigint; size: bigint },
  random: Random,
  isTaken: (value: bigint) => Promise<boolean>,
): Promise<bigint | undefined> {
  if (band.size <= 0n) return undefined;
  const anywhere = () => BigInt(Math.floor(random.fraction() * Number(band.size))) % band.size;
  for (let attempt = 0; attempt < randomTriesMax; attempt++) {
    const value = band.first + anywhere();
    if (!(await isTaken(value))) return value;
  }
  const start = anywhere();
  for (let step = 0n; step < band.size; step++) {
    const value = band.first + ((start + step) % band.size);
    if (!(await isTaken(value))) return value;
  }
  return undefined;
}

/** Addresses that services get. */
export interface AddressRange {
  cidr: Cidr;
  /** As it was given, e.g. `10.96.0.0/12`. */
  text: string;
  family: 'IPv4' | 'IPv6';
  /** Given out; neither the network's own address, nor that of all, nor the server's. */
  range: Range;
  /** Address of the service `kubernetes`: the first. */
  server: string;
}

/** A large network gives out no more than this many of its addresses, as Kubernetes. */
const sizeMax = 1n << 64n;

/** Undefined when `text` is no network of at least 8 addresses. */
export function parseAddressRange(text: string): AddressRange | undefined {
  const cidr = parseCidr(text.trim());
  if (!cidr) return undefined;
  const bits = cidr.family === 4 ? 32 : 128;
  const all = 1n << BigInt(bits - cidr.prefixLength);
  if (all < 8n) return undefined;
  const usable = (all < sizeMax ? all : sizeMax) - (cidr.family === 4 ? 2n : 1n);
  const [first, size] = [cidr.base + 2n, usable - 1n];
  return {
    cidr,
    text: text.trim(),
    family: cidr.family === 4 ? 'IPv4' : 'IPv6',
    range: { first, size, keptForChoice: keptForChoice(usable, { least: 16n, part: 16n, most: 256n }) },
    server: ipText(cidr.family, cidr.base + 1n),
  };
}

/** Whether a service may have this address. */
export function isInRange({ cidr, range }: AddressRange, address: string): boolean {
  const ip = parseIp(address);
  if (!ip || ip.family !== cidr.family) return false;
  const one: Cidr = { family: ip.family, base: ip.value, prefixLength: ip.family === 4 ? 32 : 128 };
  return contains(cidr, one) && ip.value >= range.first - 1n && ip.value < range.first + range.size;
}

/** Source: Kubernetes, KEP-3070 and KEP-3668: none where the whole is small. */
export function keptForChoice(
  size: bigint,
  { least, part, most }: { least: bigint; part: bigint; most: bigint },
): bigint {
  if (size <= least) return 0n;
  const share = size / part;
  if (share < least) return least;
  return share > most ? most : share;
}
