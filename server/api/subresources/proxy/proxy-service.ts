import type { EndpointAddress, Endpoints, Pod, Service } from '../../../../protocol/generated/models.ts';
import { endpointsKind } from '../../../../protocol/kinds/endpoints.ts';
import { podKind } from '../../../../protocol/kinds/pod.ts';
import { serviceKind } from '../../../../protocol/kinds/service.ts';
import { isStatus, StatusError } from '../../../../protocol/status.ts';
import type { ResourceExchange } from '../../exchange.ts';
import { assignedNode } from '../pod-node.ts';
import { type ProxyName, parseProxyName } from './proxy-name.ts';
import { proxyRequest } from './proxy-request.ts';

/** `services/<[scheme:]name[:port]>/proxy/…`: a request to one of the pods behind the service, by chance. */
export async function proxyService(exchange: ResourceExchange): Promise<void> {
  const { info, services } = exchange;
  const { namespace = '' } = info;
  const asked = parseProxyName(info.name ?? '');
  const service: Service = await services.registry.get(serviceKind, { namespace, name: asked.name });
  const portName = namedPort(service, asked);
  const endpoints = await services.registry
    .get(endpointsKind, { namespace, name: asked.name })
    .catch((error: unknown) => {
      if (isStatus(error, 'NotFound')) return undefined;
      throw error;
    });
  const candidates = candidatesOf(endpoints, portName);
  const chosen = candidates[Math.floor(services.random.fraction() * candidates.length)];
  if (!chosen)
    throw new StatusError('ServiceUnavailable', `no endpoints available for service "${asked.name}"`);
  const pod: Pod = await services.registry.get(podKind, { namespace, name: chosen.pod });
  await proxyRequest(exchange, {
    node: assignedNode(pod),
    podUid: pod.metadata?.uid ?? '',
    port: chosen.port,
    scheme: asked.scheme,
    host: `${chosen.ip}:${chosen.port}`,
  });
}

/** The name of the service's port that is meant; Endpoints call it the same. */
function namedPort({ spec }: Service, { name, port }: ProxyName): string {
  const ports = spec?.ports ?? [];
  const found = ports.find((each) =>
    port === '' ? ports.length === 1 : each.name === port || String(each.port) === port,
  );
  if (found) return found.name ?? '';
  if (port === '' && ports.length > 1 && ports.some((each) => !each.name)) return '';
  throw new StatusError(
    'ServiceUnavailable',
    `no service port ${JSON.stringify(port)} found for service "${name}"`,
  );
}

interface Candidate {
  pod: string;
  ip: string;
  port: number;
}

/** Ready addresses that are pods: nothing else can be reached over the bus. */
function candidatesOf(endpoints: Endpoints | undefined, portName: string): Candidate[] {
  return (endpoints?.subsets ?? []).flatMap(({ addresses = [], ports = [] }) => {
    const port = ports.find(({ name = '' }) => name === portName)?.port;
    if (port === undefined) return [];
    const pods = addresses.filter(({ targetRef }: EndpointAddress) => targetRef?.kind === 'Pod');
    return pods.map(({ ip, targetRef }) => ({ pod: targetRef?.name ?? '', ip, port }));
  });
}
