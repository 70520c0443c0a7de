import { networkInterfaces } from 'node:os';

/** The host's own addresses, IPv4 first: what a pod on the host's network answers at. */
export function hostAddresses(): string[] {
  const outside = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, address }) => !internal && !address.startsWith('fe80:'));
  return outside.sort((a, b) => a.family.localeCompare(b.family)).map(({ address }) => address);
}
