import { createHash } from 'node:crypto';

/**
 * What the two sides of the sync protocol compare. An entry's digest tells its content apart, whoever made it and
 * when: a restarted server arrives at the same one. A set's hash is the sum of its entries' hashes modulo 2^64, so
 * that one change costs one step whatever the size of the set, and the order of changes does not matter.
 */
export type SetSum = bigint;

export const emptySetSum: SetSum = 0n;
const modulusBits = 64;

/** 16 hex digits over the object's canonical JSON: keys sorted, undefined left out. */
export function entryDigest(object: unknown): string {
  return createHash('sha256').update(canonicalJson(object)).digest('hex').slice(0, 16);
}

/** One entry's share of the sum: add it when the entry comes, subtract it when it goes. */
export function entrySum(key: string, digest: string): SetSum {
  return createHash('sha256').update(`${key}\0${digest}`).digest().readBigUInt64BE(0);
}

export function sumOf(entries: Iterable<{ key: string; digest: string }>): SetSum {
  let sum = emptySetSum;
  for (const { key, digest } of entries) sum += entrySum(key, digest);
  return sum;
}

/** The wire form: 16 hex digits. */
export function setHash(sum: SetSum): string {
  return BigInt.asUintN(modulusBits, sum).toString(16).padStart(16, '0');
}

function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item ?? null)).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, field]) => `${JSON.stringify(name)}:${canonicalJson(field)}`);
  return `{${fields.join(',')}}`;
}
