import type { Service, ServiceSpec } from '../generated/models.ts';
import { sameValue } from './cause.ts';

/** Which fields of a service go with which of its types, and what an update that leaves them out keeps. */

type Spec = Readonly<ServiceSpec>;

/** Has an address in the cluster, or is headless. */
export function hasClusterIp({ type }: Spec): boolean {
  return type !== 'ExternalName';
}

export function isHeadless({ clusterIP, clusterIPs }: Spec): boolean {
  return (clusterIPs?.[0] ?? clusterIP) === 'None';
}

export function hasNodePorts({ type }: Spec): boolean {
  return type === 'NodePort' || type === 'LoadBalancer';
}

/** Whether traffic reaches it from outside of the cluster. */
export function isExternal(spec: Spec): boolean {
  return hasNodePorts(spec) || (spec.type === 'ClusterIP' && (spec.externalIPs ?? []).length > 0);
}

export function hasHealthCheckPort({ type, externalTrafficPolicy }: Spec): boolean {
  return type === 'LoadBalancer' && externalTrafficPolicy === 'Local';
}

/**
 * Keeps, in place, what was given out to the service and its update does not mention, and drops what its new type has
 * no use for unless the update changes it (source: k8s.io/kubernetes/pkg/registry/core/service, patchAllocatedValues,
 * normalizeClusterIPs and dropTypeDependentFields).
 */
export function carryAllocated(next: ServiceSpec, old: Spec): void {
  if (hasClusterIp(next) && hasClusterIp(old)) keepAddresses(next, old);
  if (hasNodePorts(next) && hasNodePorts(old)) keepNodePorts(next, old);
  if (hasHealthCheckPort(next) && hasHealthCheckPort(old))
    next.healthCheckNodePort ||= old.healthCheckNodePort ?? 0;
  if (!next.healthCheckNodePort) delete next.healthCheckNodePort;
  alignAddresses(next, old);
  dropUnused(next, old);
}

function keepAddresses(next: ServiceSpec, old: Spec): void {
  if (!next.clusterIP && !next.clusterIPs?.length && old.clusterIP) {
    next.clusterIP = old.clusterIP;
    if (old.clusterIPs) next.clusterIPs = [...old.clusterIPs];
  } else if (!next.clusterIPs?.length && old.clusterIPs && next.clusterIP === old.clusterIP) {
    next.clusterIPs = [...old.clusterIPs];
  }
}

/** The one is the first of the others; who changes the one alone means both. */
function alignAddresses(next: ServiceSpec, old: Spec): void {
  if (next.clusterIP === old.clusterIP || !sameValue(next.clusterIPs ?? [], old.clusterIPs ?? [])) {
    if (next.clusterIP && !next.clusterIPs?.length) next.clusterIPs = [next.clusterIP];
    return;
  }
  if (next.clusterIP) next.clusterIPs = [next.clusterIP, ...(next.clusterIPs ?? []).slice(1)];
  else delete next.clusterIPs;
}

function keepNodePorts(next: ServiceSpec, old: Spec): void {
  const before = new Map((old.ports ?? []).map(({ name = '', nodePort }) => [name, nodePort]));
  const chosen = new Set((next.ports ?? []).flatMap(({ nodePort }) => nodePort || []));
  for (const port of next.ports ?? []) {
    const nodePort = before.get(port.name ?? '');
    if (port.nodePort || !nodePort || chosen.has(nodePort)) continue;
    port.nodePort = nodePort;
    chosen.add(nodePort);
  }
}

function dropUnused(next: ServiceSpec, old: Spec): void {
  if (hasClusterIp(old) && !hasClusterIp(next)) {
    for (const field of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy'] as const) {
      dropIfSame(next, old, field);
    }
    dropIfSame(next, old, 'internalTrafficPolicy');
  }
  if (hasNodePorts(old) && !hasNodePorts(next)) dropNodePorts(next, old);
  if (isExternal(old) && !isExternal(next)) dropIfSame(next, old, 'externalTrafficPolicy');
  if (hasHealthCheckPort(old) && !hasHealthCheckPort(next)) dropIfSame(next, old, 'healthCheckNodePort');
  if (old.type === 'LoadBalancer' && next.type !== 'LoadBalancer') {
    dropIfSame(next, old, 'allocateLoadBalancerNodePorts');
    dropIfSame(next, old, 'loadBalancerClass');
  }
}

function dropIfSame(next: ServiceSpec, old: Spec, field: keyof ServiceSpec): void {
  if (sameValue(next[field], old[field])) delete next[field];
}

function dropNodePorts(next: ServiceSpec, old: Spec): void {
  const before = (old.ports ?? []).map(({ nodePort }) => nodePort ?? 0);
  const after = (next.ports ?? []).map(({ nodePort }) => nodePort ?? 0);
  if (!sameValue(before, after)) return;
  for (const port of next.ports ?? []) delete port.nodePort;
}

/** All that only one service may hold: addresses as text, ports as numbers. */
export function heldBy({ spec = {} }: Readonly<Service>): { addresses: string[]; ports: number[] } {
  const addresses = hasClusterIp(spec) && !isHeadless(spec) ? (spec.clusterIPs ?? []) : [];
  const nodePorts = hasNodePorts(spec) ? (spec.ports ?? []).map(({ nodePort }) => nodePort ?? 0) : [];
  const health = hasHealthCheckPort(spec) ? [spec.healthCheckNodePort ?? 0] : [];
  return {
    addresses: [...new Set(addresses.filter((address) => address !== ''))],
    ports: [...new Set([...nodePorts, ...health].filter((port) => port !== 0))],
  };
}
