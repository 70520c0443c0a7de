import type {
  EndpointAddress,
  EndpointSubset,
  Endpoints,
  Pod,
  Service,
} from '../../../protocol/generated/models.ts';
import { isHeadless } from '../../../protocol/kinds/service-fields.ts';
import { endpointOf, type PodEndpoint } from './pod-endpoint.ts';
import { familiesOf, headlessLabel, isOnSilent, type NodeKnowledge } from './service-slices.ts';

export const endpointsManager = {
  label: 'endpoints.kubernetes.io/managed-by',
  name: 'endpoint-controller',
};
const overCapacity = 'endpoints.kubernetes.io/over-capacity';
/** Beyond it addresses are left out, those that are not ready first (as Kubernetes). */
const addressesMax = 1000;

/** The Endpoints object of a service, of its first address family only (source: Kubernetes' endpoints controller). */
export function endpointsOf(
  service: Readonly<Service>,
  pods: readonly Readonly<Pod>[],
  nodes: Pick<NodeKnowledge, 'isSilent'>,
): Pick<Endpoints, 'subsets' | 'metadata'> {
  const [family = 'IPv4'] = familiesOf(service);
  const found = pods
    .flatMap((pod) => endpointOf(pod, service, { family, silent: isOnSilent(pod, nodes) }) ?? [])
    .filter(({ terminating }) => !terminating || service.spec?.publishNotReadyAddresses === true)
    .sort((a, b) => (a.address < b.address ? -1 : 1));
  const ready = found.filter((endpoint) => endpoint.ready).slice(0, addressesMax);
  const others = found.filter((endpoint) => !endpoint.ready).slice(0, addressesMax - ready.length);
  const isTruncated = found.length > addressesMax;
  const { name = '', namespace = '', labels = {} } = service.metadata ?? {};
  return {
    metadata: {
      name,
      namespace,
      labels: {
        ...labels,
        [endpointsManager.label]: endpointsManager.name,
        ...(isHeadless(service.spec ?? {}) ? { [headlessLabel]: '' } : {}),
      },
      ...(isTruncated ? { annotations: { [overCapacity]: 'truncated' } } : {}),
    },
    subsets: subsetsOf(ready, others),
  };
}

function subsetsOf(ready: readonly PodEndpoint[], others: readonly PodEndpoint[]): EndpointSubset[] {
  const byPorts = Map.groupBy([...ready, ...others], ({ ports }) => JSON.stringify(ports));
  return [...byPorts.values()].map((members) => {
    const addresses = members.filter((member) => member.ready).map(addressOf);
    const notReadyAddresses = members.filter((member) => !member.ready).map(addressOf);
    const ports = members[0]?.ports ?? [];
    return {
      ...(addresses.length > 0 ? { addresses } : {}),
      ...(notReadyAddresses.length > 0 ? { notReadyAddresses } : {}),
      ...(ports.length > 0
        ? { ports: ports.map(({ name, ...port }) => (name === '' ? port : { name, ...port })) }
        : {}),
    };
  });
}

function addressOf({ address, hostname, nodeName, pod }: PodEndpoint): EndpointAddress {
  return {
    ip: address,
    ...(hostname === undefined ? {} : { hostname }),
    ...(nodeName === undefined ? {} : { nodeName }),
    targetRef: { kind: 'Pod', ...pod },
  };
}
