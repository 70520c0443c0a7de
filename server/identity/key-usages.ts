/**
 * Kubernetes' words for what a key may be used for (source: k8s.io/api/certificates/v1, KeyUsage), as X.509 says it:
 * some are bits of keyUsage, the others purposes of extendedKeyUsage (source: RFC 5280, 4.2.1.3 and 4.2.1.12).
 */
const usageBits: Readonly<Record<string, number>> = {
  'digital signature': 0,
  signing: 0,
  'content commitment': 1,
  'key encipherment': 2,
  'data encipherment': 3,
  'key agreement': 4,
  'cert sign': 5,
  'crl sign': 6,
  'encipher only': 7,
  'decipher only': 8,
};

const purposes: Readonly<Record<string, string>> = {
  any: '2.5.29.37.0',
  'server auth': '1.3.6.1.5.5.7.3.1',
  'client auth': '1.3.6.1.5.5.7.3.2',
  'code signing': '1.3.6.1.5.5.7.3.3',
  'email protection': '1.3.6.1.5.5.7.3.4',
  's/mime': '1.3.6.1.5.5.7.3.4',
  'ipsec end system': '1.3.6.1.5.5.7.3.5',
  'ipsec tunnel': '1.3.6.1.5.5.7.3.6',
  'ipsec user': '1.3.6.1.5.5.7.3.7',
  timestamping: '1.3.6.1.5.5.7.3.8',
  'ocsp signing': '1.3.6.1.5.5.7.3.9',
  'microsoft sgc': '1.3.6.1.4.1.311.10.3.3',
  'netscape sgc': '2.16.840.1.113730.4.1',
};

/** The bit string of keyUsage; no bytes when none of the usages is one of its bits. */
export function bitsOf(usages: readonly string[]): { bits: Uint8Array; unusedBits: number } {
  const set = usages.flatMap((usage) => (Object.hasOwn(usageBits, usage) ? [usageBits[usage] ?? 0] : []));
  if (set.length === 0) return { bits: new Uint8Array(), unusedBits: 0 };
  const last = Math.max(...set);
  const bits = new Uint8Array((last >> 3) + 1);
  for (const bit of set) bits[bit >> 3] = (bits[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
  return { bits, unusedBits: 7 - (last & 7) };
}

/** Object identifiers in dotted form. */
export function extendedUsagesOf(usages: readonly string[]): string[] {
  const found = usages.flatMap((usage) => (Object.hasOwn(purposes, usage) ? [purposes[usage] ?? ''] : []));
  return [...new Set(found)];
}
