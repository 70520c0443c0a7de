/** Addresses as numbers, for ranges. */
export interface Cidr {
  family: 4 | 6;
  /** The address with all bits of the host set to zero. */
  base: bigint;
  prefixLength: number;
}

/** Undefined for what is no IPv4 or IPv6 address. */
export function parseIp(text: string): { family: 4 | 6; value: bigint } | undefined {
  const v4 = parseIpv4(text);
  if (v4 !== undefined) return { family: 4, value: v4 };
  const v6 = parseIpv6(text);
  return v6 === undefined ? undefined : { family: 6, value: v6 };
}

/** `10.0.0.0/8`; undefined for anything else. */
export function parseCidr(text: string): Cidr | undefined {
  const [, address = '', lengthText = ''] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  const ip = parseIp(address);
  const prefixLength = Number(lengthText);
  const bits = ip?.family === 4 ? 32 : 128;
  if (!ip || prefixLength > bits) return undefined;
  const hostBits = BigInt(bits - prefixLength);
  return { family: ip.family, base: (ip.value >> hostBits) << hostBits, prefixLength };
}

/** Whether every address of `part` is one of `whole`. */
export function contains(whole: Cidr, part: Cidr): boolean {
  if (whole.family !== part.family || part.prefixLength < whole.prefixLength) return false;
  const hostBits = BigInt((whole.family === 4 ? 32 : 128) - whole.prefixLength);
  return part.base >> hostBits === whole.base >> hostBits;
}

function parseIpv4(text: string): bigint | undefined {
  const octets = text.split('.');
  if (octets.length !== 4) return undefined;
  let value = 0n;
  for (const octet of octets) {
    if (!/^(0|[1-9]\d{0,2})$/.test(octet) || Number(octet) > 255) return undefined;
    value = (value << 8n) | BigInt(octet);
  }
  return value;
}

function parseIpv6(text: string): bigint | undefined {
  if (!/^[0-9a-fA-F:.]{2,45}$/.test(text)) return undefined;
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  const last = dotted ? parseIpv4(dotted[2] ?? '') : undefined;
  if (dotted && last === undefined) return undefined;
  const plain =
    dotted && last !== undefined
      ? `${dotted[1] ?? ''}${(last >> 16n).toString(16)}:${(last & 0xffffn).toString(16)}`
      : text;
  const halves = plain.split('::');
  if (halves.length > 2) return undefined;
  const [head = [], tail = []] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...Array<string>(missing).fill('0'), ...tail];
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  return groups.reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n);
}

/** The address in its usual text form (source: RFC 5952). */
export function ipText(family: 4 | 6, value: bigint): string {
  const groupBits = family === 4 ? 8n : 16n;
  const count = family === 4 ? 4 : 8;
  const groups = Array.from({ length: count }, (_, index) => {
    const shift = groupBits * BigInt(count - 1 - index);
    return (value >> shift) & ((1n << groupBits) - 1n);
  });
  if (family === 4) return groups.join('.');
  return shortenZeros(groups.map((group) => group.toString(16)));
}

/** The longest run of zeros, the first of equal ones, becomes `::`; a single one does not. */
function shortenZeros(groups: readonly string[]): string {
  let best = { at: -1, length: 1 };
  for (let at = 0; at < groups.length; at++) {
    let length = 0;
    while (groups[at + length] === '0') length++;
    if (length > best.length) best = { at, length };
  }
  if (best.at < 0) return groups.join(':');
  return `${groups.slice(0, best.at).join(':')}::${groups.slice(best.at + best.length).join(':')}`;
}
