import { networkInterfaces } from 'node:os';
import type { Random } from '../lib/random.ts';
import { parseIp } from '../protocol/ip-address.ts';
import { readAddressRanges, readPortRange } from './allocation/read-ranges.ts';
import { serviceAllocator } from './allocation/service-allocator.ts';
import { ConfigError, type ServerConfig } from './config/server-config.ts';
import type { ServerPlace } from './controllers/kubernetes-service.ts';
import type { Allocator } from './registry/allocation.ts';

/** What services get from where, by the settings. */
export interface ServiceNetworks {
  allocators: readonly Allocator[];
  /** Where pods reach this server's API, as far as the settings tell, and how they shall call it. */
  placeOf: (apiPort: number) => ServerPlace;
}

/** Throws ConfigError. */
export function serviceNetworks(config: ServerConfig, random: Random): ServiceNetworks {
  const { serviceCidr, serviceNodePortRange, bind, advertise } = config;
  const addresses = read('serviceCidr', () => readAddressRanges(serviceCidr));
  const nodePorts = read('serviceNodePortRange', () => readPortRange(serviceNodePortRange));
  const isAnywhere = bind === '0.0.0.0' || bind === '::';
  return {
    allocators: [serviceAllocator({ addresses, nodePorts, random })],
    placeOf: (port) => ({
      address: advertise.find((name) => parseIp(name)) ?? (isAnywhere ? outwardAddress() : bind),
      port,
      clusterIps: addresses.map(({ server }) => server),
      networks: addresses.map(({ text }) => text),
    }),
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
