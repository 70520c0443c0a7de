import type { Pod } from '../../../../protocol/generated/models.ts';
import { podKind } from '../../../../protocol/kinds/pod.ts';
import { StatusError } from '../../../../protocol/status.ts';
import type { ResourceExchange } from '../../exchange.ts';
import { assignedNode } from '../pod-node.ts';
import { parseProxyName } from './proxy-name.ts';
import { proxyRequest } from './proxy-request.ts';

/** `pods/<[scheme:]name[:port]>/proxy/…`: a request to what listens in the pod; without a port to its first one. */
export async function proxyPod(exchange: ResourceExchange): Promise<void> {
  const { info, services } = exchange;
  const { scheme, name, port } = parseProxyName(info.name ?? '');
  const { namespace = '' } = info;
  const pod: Pod = await services.registry.get(podKind, { namespace, name });
  const target = portOf(pod, port);
  const node = assignedNode(pod);
  const host = `${pod.status?.podIP ?? name}:${target}`;
  await proxyRequest(exchange, { node, podUid: pod.metadata?.uid ?? '', port: target, scheme, host });
}

/** A number, the name of a container's port, or else the first port that a container names, or 80. */
function portOf(pod: Pod, port: string): number {
  const ports = (pod.spec?.containers ?? []).flatMap(({ ports = [] }) => ports);
  if (port === '') return ports[0]?.containerPort ?? 80;
  const named = ports.find(({ name }) => name === port)?.containerPort;
  const number = named ?? (/^\d{1,5}$/.test(port) ? Number(port) : 0);
  if (number >= 1 && number <= 65_535) return number;
  throw new StatusError('BadRequest', `pod ${pod.metadata?.name ?? ''} has no port ${JSON.stringify(port)}`);
}
