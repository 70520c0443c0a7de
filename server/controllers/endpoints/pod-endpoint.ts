import type { Container, Pod, Service, ServicePort } from '../../../protocol/generated/models.ts';
import { parseIp } from '../../../protocol/ip-address.ts';
import { sameValue } from '../../../protocol/kinds/cause.ts';
import { isPodFinished, isPodReady } from '../pod-state.ts';

/** What of a pod goes into endpoints. */
export interface PodEndpoint {
  address: string;
  ready: boolean;
  /** Would take traffic, if it were not going away; undefined where nobody knows. */
  serving: boolean | undefined;
  terminating: boolean;
  nodeName: string | undefined;
  hostname: string | undefined;
  pod: { namespace: string; name: string; uid: string };
  ports: ResolvedPort[];
}

export interface ResolvedPort {
  name: string;
  port: number;
  protocol: string;
  appProtocol?: string;
}

export type Family = 'IPv4' | 'IPv6';

/**
 * Undefined for a pod that has no address of the family or has finished. One on a silent device is not ready for others,
 * whatever it said last (docs/decisions/0251).
 */
export function endpointOf(
  pod: Readonly<Pod>,
  service: Readonly<Service>,
  { family, silent }: { family: Family; silent: boolean },
): PodEndpoint | undefined {
  const address = addressesOf(pod).find((ip) => parseIp(ip)?.family === (family === 'IPv4' ? 4 : 6));
  if (address === undefined || isPodFinished(pod)) return undefined;
  const { namespace = '', name = '', uid = '', deletionTimestamp } = pod.metadata ?? {};
  const serving = isPodReady(pod) && !silent;
  const terminating = deletionTimestamp !== undefined;
  return {
    address,
    ready: service.spec?.publishNotReadyAddresses === true || (serving && !terminating),
    serving: silent && isPodReady(pod) ? undefined : serving,
    terminating,
    nodeName: pod.spec?.nodeName,
    hostname: hostnameIn(pod, service),
    pod: { namespace, name, uid },
    ports: resolvePorts(pod, service),
  };
}

/** Whether both make the same endpoint in every service; their labels are another matter. */
export function isSameEndpoint(a: Readonly<Pod>, b: Readonly<Pod>): boolean {
  return (
    a.metadata?.uid === b.metadata?.uid &&
    a.status?.phase === b.status?.phase &&
    a.metadata?.deletionTimestamp === b.metadata?.deletionTimestamp &&
    a.spec?.nodeName === b.spec?.nodeName &&
    isPodReady(a) === isPodReady(b) &&
    sameValue(addressesOf(a), addressesOf(b))
  );
}

function addressesOf({ status }: Readonly<Pod>): string[] {
  const addresses = (status?.podIPs ?? []).flatMap(({ ip }) => ip || []);
  if (addresses.length > 0) return addresses;
  return status?.podIP ? [status.podIP] : [];
}

/** A pod has a name of its own below the service that it names as its subdomain. */
function hostnameIn({ spec, metadata }: Readonly<Pod>, service: Readonly<Service>): string | undefined {
  const { hostname, subdomain } = spec ?? {};
  const isItsOwn =
    subdomain === service.metadata?.name && metadata?.namespace === service.metadata?.namespace;
  return hostname && isItsOwn ? hostname : undefined;
}

/** Ports that the pod does not have are left out (as Kubernetes). */
function resolvePorts(pod: Readonly<Pod>, service: Readonly<Service>): ResolvedPort[] {
  return (service.spec?.ports ?? []).flatMap((port) => {
    const number = targetPort(pod, port);
    if (number === undefined) return [];
    const { name = '', protocol = 'TCP', appProtocol } = port;
    return [{ name, port: number, protocol, ...(appProtocol === undefined ? {} : { appProtocol }) }];
  });
}

function targetPort({ spec }: Readonly<Pod>, port: Readonly<ServicePort>): number | undefined {
  const target = port.targetPort || port.port;
  if (typeof target === 'number') return target;
  if (/^\d+$/.test(target)) return Number(target);
  const sidecars = (spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  for (const { ports = [] } of [...(spec?.containers ?? []), ...sidecars] as Container[]) {
    const found = ports.find(({ name, protocol = 'TCP' }) => {
      return name === target && protocol === (port.protocol ?? 'TCP');
    });
    if (found) return found.containerPort;
  }
  return undefined;
}
