import { randomBytes, randomInt } from 'node:crypto';

/** A source of randomness; seeded in simulations, the operating system's otherwise. */
export interface Random {
  /** Uniform in [0, 1). */
  fraction(): number;
  /** `count` random bytes; from the operating system these are fit for secrets. */
  bytes(count: number): Uint8Array;
}

export const systemRandom: Random = {
  fraction: () => randomInt(2 ** 47) / 2 ** 47,
  bytes: (count) => randomBytes(count),
};

/** The same sequence for the same seed (mulberry32). Never for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    fraction: next,
    bytes: (count) => Uint8Array.from({ length: count }, () => Math.floor(next() * 256)),
  };
}

const suffixAlphabet = 'bcdfghjklmnpqrstvwxz2456789';

/** A short name part without vowels or look-alikes, as Kubernetes generates them. */
export function nameSuffix(random: Random, length = 5): string {
  return Array.from(
    { length },
    () => suffixAlphabet[Math.floor(random.fraction() * suffixAlphabet.length)],
  ).join('');
}

/** RFC 4122 version 4. */
export function uuid(random: Random): string {
  const bytes = random.bytes(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Buffer.from(bytes).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
