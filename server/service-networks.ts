import { networkInterfaces } from 'node:os';
import type { Random } from '../lib/random.ts';
import { parseIp } from '../protocol/ip-address.ts';
import type { AddressRange } from './allocation/address-range.ts';
import { readAddressRanges, readPortRange } from './allocation/read-ranges.ts';
import { serviceAllocator } from './allocation/service-allocator.ts';
import { ConfigError, type ServerConfig } from './config/server-config.ts';
import type { ServerPlace } from './controllers/kubernetes-service.ts';
import type { Allocator } from './registry/allocation.ts';

/** What services get from where, by the settings. Throws ConfigError. */
export function serviceNetworks(
  { serviceCidr, serviceNodePortRange }: ServerConfig,
  random: Random,
): { addresses: readonly AddressRange[]; allocator: Allocator } {
  const addresses = read('serviceCidr', () => readAddressRanges(serviceCidr));
  const nodePorts = read('serviceNodePortRange', () => readPortRange(serviceNodePortRange));
  const allocator = serviceAllocator({ addresses, nodePorts, random }) as Allocator;
  return { addresses, allocator };
}

/** Where pods reach this server's API, as far as the settings tell, and how they shall call it. */
export function serverPlace(
  { bind, advertise }: Pick<ServerConfig, 'bind' | 'advertise'>,
  { port, addresses }: { port: number; addresses: readonly AddressRange[] },
): ServerPlace {
  const everywhere = bind === '0.0.0.0' || bind === '::';
  const address = advertise.find((name) => parseIp(name)) ?? (everywhere ? outwardAddress() : bind);
  return {
    address,
    port,
    clusterIps: addresses.map(({ server }) => server),
    networks: addresses.map(({ text }) => text),
  };
}

function outwardAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((known) => known ?? []);
  const outward = all.filter(({ internal }) => !internal);
  return (outward.find(({ family }) => family === 'IPv4') ?? outward[0])?.address ?? '127.0.0.1';
}

function read<R>(setting: string, make: () => R): R {
  try {
    return make();
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`${setting}: ${words}`, { cause: error });
  }
}
