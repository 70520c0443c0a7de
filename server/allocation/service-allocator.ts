import type { Random } from '../../lib/random.ts';
import type { Service, ServiceSpec } from '../../protocol/generated/models.ts';
import { ipText, parseIp } from '../../protocol/ip-address.ts';
import { invalid } from '../../protocol/kinds/cause.ts';
import { serviceKind } from '../../protocol/kinds/service.ts';
import {
  hasClusterIp,
  hasHealthCheckPort,
  hasNodePorts,
  heldBy,
  isHeadless,
} from '../../protocol/kinds/service-fields.ts';
import { type StatusCause, StatusError } from '../../protocol/status.ts';
import type { Allocator } from '../registry/allocation.ts';
import { invalid as refuse } from '../registry/failures.ts';
import { type AddressRange, isInRange, keptForChoice, pickFree, type Range } from './address-range.ts';
import { initFamilies } from './ip-families.ts';

export interface ServiceAllocatorOptions {
  /** One, or one of each family; the first is the default. */
  addresses: readonly AddressRange[];
  /** More ranges of those families, as there are now; used when the first ones are full, or when chosen from. */
  added?: () => readonly AddressRange[];
  nodePorts: PortRange;
  random: Random;
}

/** Both ends belong to it. */
export interface PortRange {
  first: number;
  last: number;
}

interface Giving extends ServiceAllocatorOptions {
  service: Service;
  spec: ServiceSpec;
  old: Readonly<Service> | undefined;
  isTaken: (claim: string) => Promise<boolean>;
}

/**
 * Gives services their addresses and node ports (source of rules and wording: k8s.io/kubernetes/pkg/registry/core/
 * service/storage/alloc.go and the allocators beside it).
 */
export function serviceAllocator(options: ServiceAllocatorOptions): Allocator<Service> {
  return {
    kind: serviceKind,
    claimsOf(service) {
      const { addresses, ports } = heldBy(service);
      return [...addresses.map(addressClaim), ...ports.map(portClaim)];
    },
    async allocate(service, old, isTaken) {
      const spec = (service.spec ??= {});
      const giving = { ...options, service, spec, old, isTaken };
      if (hasClusterIp(spec)) {
        const causes = initFamilies(spec, old?.spec, options.addresses);
        if (causes.length > 0) throw refuse(serviceKind, nameOf(service), causes);
        if (!isHeadless(spec)) await giveAddresses(giving);
      }
      if (hasNodePorts(spec)) await giveNodePorts(giving);
      if (hasHealthCheckPort(spec)) await giveHealthCheckPort(giving);
    },
  };
}

function nameOf({ metadata }: Service): string {
  return metadata?.name ?? '';
}

/** The same address, however it is written, is one claim. */
function addressClaim(address: string): string {
  const ip = parseIp(address);
  return `addresses/${ip ? ipText(ip.family, ip.value) : address}`;
}

function portClaim(port: number): string {
  return `node-ports/${port}`;
}

async function giveAddresses(giving: Giving): Promise<void> {
  const { spec, old, service, isTaken, addresses: ranges, random } = giving;
  const kept = old ? heldBy(old).addresses : [];
  const addresses = [...(spec.clusterIPs ?? [])];
  for (const [index, family] of (spec.ipFamilies ?? []).entries()) {
    const address = addresses[index] ?? '';
    if (address !== '' && kept.includes(address)) continue;
    if (!ranges.some((candidate) => candidate.family === family)) continue;
    const possible = [...ranges, ...(giving.added?.() ?? [])].filter((one) => one.family === family);
    if (address !== '') {
      const why = await choiceFault(address, possible, isTaken);
      if (why === undefined) continue;
      const cause = invalid('spec.clusterIPs', spec.clusterIPs, `failed to allocate IP ${address}: ${why}`);
      throw refuse(serviceKind, nameOf(service), [cause]);
    }
    const picked = await pickAddress(possible, random, isTaken);
    if (picked === undefined) throw exhausted('a serviceIP');
    addresses[index] = picked;
  }
  spec.clusterIPs = addresses;
  spec.clusterIP = addresses[0] ?? '';
}

async function pickAddress(
  ranges: readonly AddressRange[],
  random: Random,
  isTaken: Giving['isTaken'],
): Promise<string | undefined> {
  for (const { cidr, range } of ranges) {
    const text = (value: bigint) => ipText(cidr.family, value);
    const picked = await pickFree(range, random, (value) => isTaken(addressClaim(text(value))));
    if (picked !== undefined) return text(picked);
  }
  return undefined;
}

async function choiceFault(
  address: string,
  ranges: readonly AddressRange[],
  isTaken: Giving['isTaken'],
): Promise<string | undefined> {
  if (!ranges.some((range) => isInRange(range, address))) {
    const valid = ranges.map(({ text }) => text).join(', ');
    return `the provided IP (${address}) is not in the valid range. The range of valid IPs is ${valid}`;
  }
  return (await isTaken(addressClaim(address))) ? 'provided IP is already allocated' : undefined;
}

/** Ports of one number and different protocols share a node port, as Kubernetes has it. */
async function giveNodePorts(giving: Giving): Promise<void> {
  const { spec, service, old } = giving;
  const ports = spec.ports ?? [];
  const own = new Set(old ? heldBy(old).ports : []);
  const causes: StatusCause[] = [];
  for (const [index, { nodePort }] of ports.entries()) {
    if (!nodePort || own.has(nodePort)) continue;
    const why = await portFault(nodePort, giving);
    if (why !== undefined) causes.push(invalid(`spec.ports[${index}].nodePort`, nodePort, why));
  }
  if (causes.length > 0) throw refuse(serviceKind, nameOf(service), causes);
  if (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts === false) return;
  const used = new Set(ports.flatMap(({ nodePort }) => nodePort || []));
  for (const port of ports) {
    if (port.nodePort) continue;
    const twin = ports.find((other) => {
      return other !== port && other.nodePort && other.port === port.port && other.protocol !== port.protocol;
    });
    port.nodePort = twin?.nodePort ?? (await pickPort(giving, used, 'a nodePort'));
    used.add(port.nodePort);
  }
}

async function giveHealthCheckPort(giving: Giving): Promise<void> {
  const { spec, old } = giving;
  const chosen = spec.healthCheckNodePort;
  const used = new Set((spec.ports ?? []).flatMap(({ nodePort }) => nodePort || []));
  if (!chosen) {
    spec.healthCheckNodePort = await pickPort(giving, used, 'a HealthCheck NodePort 0');
    return;
  }
  if (old && heldBy(old).ports.includes(chosen)) return;
  const why = used.has(chosen) ? portTaken : await portFault(chosen, giving);
  if (why === undefined) return;
  throw internal(`failed to allocate requested HealthCheck NodePort ${chosen}: ${why}`);
}

const portTaken = 'provided port is already allocated';

async function portFault(port: number, { nodePorts, isTaken }: Giving): Promise<string | undefined> {
  const { first, last } = nodePorts;
  if (port < first || port > last) {
    return `the provided port is not in the valid range. The range of valid ports is ${first}-${last}`;
  }
  return (await isTaken(portClaim(port))) ? portTaken : undefined;
}

async function pickPort(
  { nodePorts, random, isTaken }: Giving,
  used: ReadonlySet<number>,
  what: string,
): Promise<number> {
  const picked = await pickFree(
    portRange(nodePorts),
    random,
    async (value) => used.has(Number(value)) || (await isTaken(portClaim(Number(value)))),
  );
  if (picked === undefined) throw exhausted(what);
  return Number(picked);
}

function portRange({ first, last }: PortRange): Range {
  const size = BigInt(last - first + 1);
  return {
    first: BigInt(first),
    size,
    keptForChoice: keptForChoice(size, { least: 16n, part: 32n, most: 128n }),
  };
}

function exhausted(what: string): StatusError {
  return internal(`failed to allocate ${what}: range is full`);
}

function internal(why: string): StatusError {
  return new StatusError('InternalError', `Internal error occurred: ${why}`);
}
