import { networkInterfaces } from 'node:os';
import type { Random } from '../lib/random.ts';
import { parseIp } from '../protocol/ip-address.ts';
import { serviceCidrKind } from '../protocol/kinds/service-cidr.ts';
import { createAddedRanges } from './allocation/added-ranges.ts';
import { readAddressRanges, readPortRange } from './allocation/read-ranges.ts';
import { serviceAllocator } from './allocation/service-allocator.ts';
import type { Cache } from './cache/informer.ts';
import { ConfigError, type ServerConfig } from './config/server-config.ts';
import type { ServerPlace } from './controllers/kubernetes-service.ts';
import type { Allocator } from './registry/allocation.ts';

/** What services get from where, by the settings. */
export interface ServiceNetworks {
  allocators: readonly Allocator[];
  /** Has services get addresses of what clients add, too. */
  followAdded: (cache: Cache) => void;
  /** Where pods reach this server's API, as far as the settings tell, and how they shall call it. */
  placeOf: (apiPort: number) => ServerPlace;
}

/** Throws ConfigError. */
export function serviceNetworks(config: ServerConfig, random: Random): ServiceNetworks {
  const { serviceCidr, serviceNodePortRange, bind, advertise } = config;
  const addresses = read('serviceCidr', () => readAddressRanges(serviceCidr));
  const nodePorts = read('serviceNodePortRange', () => readPortRange(serviceNodePortRange));
  const added = createAddedRanges();
  return {
    followAdded: (cache) => {
      cache.informer(serviceCidrKind).onChange(({ type, object }) => {
        if (type === 'deleted') added.remove(object);
        else added.put(object);
      });
    },
    allocators: [serviceAllocator({ addresses, added: added.list, nodePorts, random })],
    placeOf: (port) => ({
      address:
        advertise.find((name) => parseIp(name)) ??
        (isAnywhere(bind) ? (outwardAddresses()[0] ?? '127.0.0.1') : bind),
      port,
      clusterIps: addresses.map(({ server }) => server),
      networks: addresses.map(({ text }) => text),
    }),
  };
}

/** What the server's certificate is to name beside what it always does: who connects by one of them can check it. */
export function listeningAddresses(bind: string): string[] {
  return isAnywhere(bind) ? outwardAddresses().slice(0, certifiedMax) : [bind];
}

/** Of a machine with many networks. */
const certifiedMax = 16;

function isAnywhere(bind: string): boolean {
  return bind === '0.0.0.0' || bind === '::';
}

/** Those of IPv4 first; none that is only good on its own link. */
function outwardAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((known) => known ?? []);
  const outward = all.filter((one) => !one.internal && !(one.family === 'IPv6' && one.scopeid));
  const order = (family: string) => (family === 'IPv4' ? 0 : 1);
  return outward.sort((one, other) => order(one.family) - order(other.family)).map(({ address }) => address);
}

function read<R>(setting: string, make: () => R): R {
  try {
    return make();
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`${setting}: ${words}`, { cause: error });
  }
}
